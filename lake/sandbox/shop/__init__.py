"""The simulated shop: MySQL database `softcart`, MongoDB `catalog.products`, a web access log, and trade that goes on.

Made whole from three numbers (seed, scale, last day): the same numbers give the same shop, row for row.
"""

from lake.sandbox.shop.making import create, ensure, exists
from lake.sandbox.shop.trading import trade

__all__ = ["create", "ensure", "exists", "trade"]
