"""One file per page: TITLE, ICON and ORDER of its place in the navigation, and `show(page)`, which draws it."""
