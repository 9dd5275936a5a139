"""The 22 queries of TPC-H as tables, with the specification's validation parameters; one text for both Sail and DuckDB.

Ratios and averages are computed as doubles, because the engines round decimals differently there. Order and limit are part of a
table only where they decide which rows there are. The specification's Q15 makes a view: here it is a common table expression.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from transforms.declaration import Lookup, Rebuild, Table, Update
from transforms.table import by_group, rebuild

_REVENUE = "l_extendedprice * (1 - l_discount)"


@dataclass(frozen=True)
class Query:
    """A query on the tables named in `reads`; the first of them drives a `by_group`."""

    key: str
    reads: str
    sql: str
    update: Update = field(default_factory=rebuild)
    lookups: Mapping[str, Lookup] = field(default_factory=dict)


QUERIES = {
    "q1": Query(
        "l_returnflag l_linestatus",
        "lineitem",
        f"""select l_returnflag, l_linestatus, sum(l_quantity) as sum_qty, sum(l_extendedprice) as sum_base_price,
            sum({_REVENUE}) as sum_disc_price, sum({_REVENUE} * (1 + l_tax)) as sum_charge,
            avg(cast(l_quantity as double)) as avg_qty, avg(cast(l_extendedprice as double)) as avg_price,
            avg(cast(l_discount as double)) as avg_disc, count(*) as count_order
        from {{lineitem}} where l_shipdate <= date '1998-12-01' - interval '90' day group by l_returnflag, l_linestatus""",
        by_group("l_returnflag", "l_linestatus"),
    ),
    "q2": Query(
        "p_partkey s_suppkey",
        "part supplier partsupp nation region",
        """select s_acctbal, s_suppkey, s_name, n_name, p_partkey, p_mfgr, s_address, s_phone, s_comment
        from {part}, {supplier}, {partsupp}, {nation}, {region}
        where p_partkey = ps_partkey and s_suppkey = ps_suppkey and p_size = 15 and p_type like '%BRASS'
            and s_nationkey = n_nationkey and n_regionkey = r_regionkey and r_name = 'EUROPE' and ps_supplycost = (
                select min(ps_supplycost) from {partsupp}, {supplier}, {nation}, {region}
                where p_partkey = ps_partkey and s_suppkey = ps_suppkey and s_nationkey = n_nationkey
                    and n_regionkey = r_regionkey and r_name = 'EUROPE')""",
    ),
    "q3": Query(
        "l_orderkey",
        "customer orders lineitem",
        f"""select l_orderkey, sum({_REVENUE}) as revenue, o_orderdate, o_shippriority
        from {{customer}}, {{orders}}, {{lineitem}}
        where c_mktsegment = 'BUILDING' and c_custkey = o_custkey and l_orderkey = o_orderkey
            and o_orderdate < date '1995-03-15' and l_shipdate > date '1995-03-15'
        group by l_orderkey, o_orderdate, o_shippriority order by revenue desc, o_orderdate, l_orderkey limit 10""",
    ),
    "q4": Query(
        "o_orderpriority",
        "orders lineitem",
        """select o_orderpriority, count(*) as order_count from {orders}
        where o_orderdate >= date '1993-07-01' and o_orderdate < date '1993-10-01'
            and exists (select * from {lineitem} where l_orderkey = o_orderkey and l_commitdate < l_receiptdate)
        group by o_orderpriority""",
        by_group("o_orderpriority"),
        {"lineitem": Lookup("o_orderkey", "l_orderkey")},
    ),
    "q5": Query(
        "n_name",
        "customer orders lineitem supplier nation region",
        f"""select n_name, sum({_REVENUE}) as revenue
        from {{customer}}, {{orders}}, {{lineitem}}, {{supplier}}, {{nation}}, {{region}}
        where c_custkey = o_custkey and l_orderkey = o_orderkey and l_suppkey = s_suppkey and c_nationkey = s_nationkey
            and s_nationkey = n_nationkey and n_regionkey = r_regionkey and r_name = 'ASIA'
            and o_orderdate >= date '1994-01-01' and o_orderdate < date '1995-01-01' group by n_name""",
    ),
    "q6": Query(
        "",
        "lineitem",
        """select sum(l_extendedprice * l_discount) as revenue from {lineitem}
        where l_shipdate >= date '1994-01-01' and l_shipdate < date '1995-01-01' and l_discount between 0.05 and 0.07
            and l_quantity < 24""",
    ),
    "q7": Query(
        "supp_nation cust_nation l_year",
        "supplier lineitem orders customer nation",
        f"""select supp_nation, cust_nation, l_year, sum(volume) as revenue from (
            select n1.n_name as supp_nation, n2.n_name as cust_nation, cast(extract(year from l_shipdate) as int) as l_year,
                {_REVENUE} as volume
            from {{supplier}}, {{lineitem}}, {{orders}}, {{customer}}, {{nation}} n1, {{nation}} n2
            where s_suppkey = l_suppkey and o_orderkey = l_orderkey and c_custkey = o_custkey and s_nationkey = n1.n_nationkey
                and c_nationkey = n2.n_nationkey and ((n1.n_name = 'FRANCE' and n2.n_name = 'GERMANY')
                    or (n1.n_name = 'GERMANY' and n2.n_name = 'FRANCE'))
                and l_shipdate between date '1995-01-01' and date '1996-12-31') as shipping
        group by supp_nation, cust_nation, l_year""",
    ),
    "q8": Query(
        "o_year",
        "part supplier lineitem orders customer nation region",
        f"""select o_year, cast(sum(case when nation = 'BRAZIL' then volume else 0 end) as double) / cast(sum(volume) as double)
            as mkt_share from (
            select cast(extract(year from o_orderdate) as int) as o_year, {_REVENUE} as volume, n2.n_name as nation
            from {{part}}, {{supplier}}, {{lineitem}}, {{orders}}, {{customer}}, {{nation}} n1, {{nation}} n2, {{region}}
            where p_partkey = l_partkey and s_suppkey = l_suppkey and l_orderkey = o_orderkey and o_custkey = c_custkey
                and c_nationkey = n1.n_nationkey and n1.n_regionkey = r_regionkey and r_name = 'AMERICA'
                and s_nationkey = n2.n_nationkey and o_orderdate between date '1995-01-01' and date '1996-12-31'
                and p_type = 'ECONOMY ANODIZED STEEL') as all_nations group by o_year""",
    ),
    "q9": Query(
        "nation o_year",
        "part supplier lineitem partsupp orders nation",
        f"""select nation, o_year, sum(amount) as sum_profit from (
            select n_name as nation, cast(extract(year from o_orderdate) as int) as o_year,
                {_REVENUE} - ps_supplycost * l_quantity as amount
            from {{part}}, {{supplier}}, {{lineitem}}, {{partsupp}}, {{orders}}, {{nation}}
            where s_suppkey = l_suppkey and ps_suppkey = l_suppkey and ps_partkey = l_partkey and p_partkey = l_partkey
                and o_orderkey = l_orderkey and s_nationkey = n_nationkey and p_name like '%green%') as profit
        group by nation, o_year""",
    ),
    "q10": Query(
        "c_custkey",
        "customer orders lineitem nation",
        f"""select c_custkey, c_name, sum({_REVENUE}) as revenue, c_acctbal, n_name, c_address, c_phone, c_comment
        from {{customer}}, {{orders}}, {{lineitem}}, {{nation}}
        where c_custkey = o_custkey and l_orderkey = o_orderkey and o_orderdate >= date '1993-10-01'
            and o_orderdate < date '1994-01-01' and l_returnflag = 'R' and c_nationkey = n_nationkey
        group by c_custkey, c_name, c_acctbal, c_phone, n_name, c_address, c_comment
        order by revenue desc, c_custkey limit 20""",
    ),
    "q11": Query(
        "ps_partkey",
        "partsupp supplier nation",
        """select ps_partkey, sum(ps_supplycost * ps_availqty) as value from {partsupp}, {supplier}, {nation}
        where ps_suppkey = s_suppkey and s_nationkey = n_nationkey and n_name = 'GERMANY' group by ps_partkey
        having sum(ps_supplycost * ps_availqty) > (select sum(ps_supplycost * ps_availqty) * 0.0001
            from {partsupp}, {supplier}, {nation}
            where ps_suppkey = s_suppkey and s_nationkey = n_nationkey and n_name = 'GERMANY')""",
    ),
    "q12": Query(
        "l_shipmode",
        "lineitem orders",
        """select l_shipmode,
            sum(case when o_orderpriority in ('1-URGENT', '2-HIGH') then 1 else 0 end) as high_line_count,
            sum(case when o_orderpriority not in ('1-URGENT', '2-HIGH') then 1 else 0 end) as low_line_count
        from {lineitem}, {orders}
        where o_orderkey = l_orderkey and l_shipmode in ('MAIL', 'SHIP') and l_commitdate < l_receiptdate
            and l_shipdate < l_commitdate and l_receiptdate >= date '1994-01-01' and l_receiptdate < date '1995-01-01'
        group by l_shipmode""",
        by_group("l_shipmode"),
        {"orders": Lookup("l_orderkey", "o_orderkey")},
    ),
    "q13": Query(
        "c_count",
        "customer orders",
        """select c_count, count(*) as custdist from (
            select c_custkey, count(o_orderkey) as c_count from {customer} left join {orders}
                on c_custkey = o_custkey and o_comment not like '%special%requests%' group by c_custkey) as c_orders
        group by c_count""",
    ),
    "q14": Query(
        "",
        "lineitem part",
        f"""select 100.00 * cast(sum(case when p_type like 'PROMO%' then {_REVENUE} else 0 end) as double)
            / cast(sum({_REVENUE}) as double) as promo_revenue from {{lineitem}}, {{part}}
        where l_partkey = p_partkey and l_shipdate >= date '1995-09-01' and l_shipdate < date '1995-10-01'""",
    ),
    "q15": Query(
        "s_suppkey",
        "lineitem supplier",
        f"""with revenue as (select l_suppkey as supplier_no, sum({_REVENUE}) as total_revenue from {{lineitem}}
            where l_shipdate >= date '1996-01-01' and l_shipdate < date '1996-04-01' group by l_suppkey)
        select s_suppkey, s_name, s_address, s_phone, total_revenue from {{supplier}}, revenue
        where s_suppkey = supplier_no and total_revenue = (select max(total_revenue) from revenue)""",
    ),
    "q16": Query(
        "p_brand p_type p_size",
        "part partsupp supplier",
        """select p_brand, p_type, p_size, count(distinct ps_suppkey) as supplier_cnt from {partsupp}, {part}
        where p_partkey = ps_partkey and p_brand <> 'Brand#45' and p_type not like 'MEDIUM POLISHED%'
            and p_size in (49, 14, 23, 45, 19, 3, 36, 9)
            and ps_suppkey not in (select s_suppkey from {supplier} where s_comment like '%Customer%Complaints%')
        group by p_brand, p_type, p_size""",
        by_group("p_brand", "p_type", "p_size"),
    ),
    "q17": Query(
        "",
        "lineitem part",
        """select cast(sum(l_extendedprice) as double) / 7.0 as avg_yearly from {lineitem}, {part}
        where p_partkey = l_partkey and p_brand = 'Brand#23' and p_container = 'MED BOX' and l_quantity < (
            select 0.2 * avg(cast(l_quantity as double)) from {lineitem} where l_partkey = p_partkey)""",
    ),
    "q18": Query(
        "o_orderkey",
        "customer orders lineitem",
        """select c_name, c_custkey, o_orderkey, o_orderdate, o_totalprice, sum(l_quantity) as quantity
        from {customer}, {orders}, {lineitem}
        where o_orderkey in (select l_orderkey from {lineitem} group by l_orderkey having sum(l_quantity) > 250)
            and c_custkey = o_custkey and o_orderkey = l_orderkey
        group by c_name, c_custkey, o_orderkey, o_orderdate, o_totalprice
        order by o_totalprice desc, o_orderdate, o_orderkey limit 100""",
    ),
    "q19": Query(
        "",
        "lineitem part",
        f"""select sum({_REVENUE}) as revenue from {{lineitem}}, {{part}}
        where p_partkey = l_partkey and l_shipmode in ('AIR', 'REG AIR') and l_shipinstruct = 'DELIVER IN PERSON' and (
            (p_brand = 'Brand#12' and p_container in ('SM CASE', 'SM BOX', 'SM PACK', 'SM PKG') and l_quantity between 1 and 11
                and p_size between 1 and 5)
            or (p_brand = 'Brand#23' and p_container in ('MED BAG', 'MED BOX', 'MED PKG', 'MED PACK')
                and l_quantity between 10 and 20 and p_size between 1 and 10)
            or (p_brand = 'Brand#34' and p_container in ('LG CASE', 'LG BOX', 'LG PACK', 'LG PKG')
                and l_quantity between 20 and 30 and p_size between 1 and 15))""",
    ),
    "q20": Query(
        "s_suppkey",
        "supplier nation partsupp part lineitem",
        """select s_suppkey, s_name, s_address from {supplier}, {nation}
        where s_suppkey in (select ps_suppkey from {partsupp}
                where ps_partkey in (select p_partkey from {part} where p_name like 'forest%')
                    and ps_availqty > (select 0.5 * sum(l_quantity) from {lineitem}
                        where l_partkey = ps_partkey and l_suppkey = ps_suppkey and l_shipdate >= date '1994-01-01'
                            and l_shipdate < date '1995-01-01'))
            and s_nationkey = n_nationkey and n_name = 'CANADA'""",
    ),
    "q21": Query(
        "s_name",
        "supplier lineitem orders nation",
        """select s_name, count(*) as numwait from {supplier}, {lineitem} l1, {orders}, {nation}
        where s_suppkey = l1.l_suppkey and o_orderkey = l1.l_orderkey and o_orderstatus = 'F'
            and l1.l_receiptdate > l1.l_commitdate
            and exists (select * from {lineitem} l2 where l2.l_orderkey = l1.l_orderkey and l2.l_suppkey <> l1.l_suppkey)
            and not exists (select * from {lineitem} l3 where l3.l_orderkey = l1.l_orderkey and l3.l_suppkey <> l1.l_suppkey
                and l3.l_receiptdate > l3.l_commitdate)
            and s_nationkey = n_nationkey and n_name = 'SAUDI ARABIA'
        group by s_name order by numwait desc, s_name limit 100""",
    ),
    "q22": Query(
        "cntrycode",
        "customer orders",
        """select cntrycode, count(*) as numcust, sum(c_acctbal) as totacctbal from (
            select substring(c_phone, 1, 2) as cntrycode, c_acctbal from {customer}
            where substring(c_phone, 1, 2) in ('13', '31', '23', '29', '30', '18', '17') and cast(c_acctbal as double) > (
                    select avg(cast(c_acctbal as double)) from {customer} where c_acctbal > 0.00
                        and substring(c_phone, 1, 2) in ('13', '31', '23', '29', '30', '18', '17'))
                and not exists (select * from {orders} where o_custkey = c_custkey)) as custsale
        group by cntrycode""",
    ),
}


def declared() -> dict[str, Table]:
    """The queries as tables that read plain Delta tables."""
    return {f"gold.{name}": _table(f"gold.{name}", query) for name, query in QUERIES.items()}


def _table(name: str, query: Query) -> Table:
    reads = query.reads.split()

    def function(*frames: Any) -> Any:
        return frames[0].sparkSession.sql(query.sql, **dict(zip(reads, frames, strict=True)))

    return Table(
        name=name,
        grain=f"one row for each {query.key or 'database'}",
        key=tuple(query.key.split()),
        reads=tuple(f"ref.{read}" for read in reads),
        update=query.update if query.key else Rebuild(),
        function=function,
        file=__file__,
        fingerprint=query.sql,
        lookups={f"ref.{read}": on for read, on in query.lookups.items()},
    )
