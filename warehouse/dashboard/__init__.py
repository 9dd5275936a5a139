"""The web app over the warehouse: `cartlake dashboard`.

periods     spans of days, and the span that each is compared with
reader      a release, opened once for everybody; each question is answered once
filters     what all pages are filtered by, in the URL
page        what a page gets
parts       what pages draw alike
charts      charts and the numbers on them, in one manner
heat        heat maps
countries   countries by the numbers that the map knows
sales       numbers and charts of the page Sales and of the report
report      a month of them as one file
app         the frame around each page; script/run.py is what Streamlit runs
pages/      ONE FILE PER PAGE
access      who may look
entrance    the door: a form, or a look at the cookie
guarded     a section that fails says so in its place
address     where a server is found
explore     what the page Explore asks
windows     the days whose rows a mark is made of
exploring/  its parts
customers, forecast, products   what those pages ask
health/     what the page Data health asks
views       its saved questions
server      the app behind uvicorn
"""
