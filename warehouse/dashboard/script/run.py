"""What Streamlit runs for each look at a page.

It stands in a folder of its own because Streamlit takes a folder `pages` beside its script for pages in an older manner, and is
so short because Streamlit runs its text anew each time, while what it imports stays.
"""

from warehouse.dashboard.app import main

main()
