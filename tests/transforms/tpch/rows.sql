-- TPC-H's eight tables after clause 4.2.3 of its specification, as far as the 22 queries look, from a hash in the place of a
-- random number. {orders} orders; the other tables are in proportion.
create macro h(x) as (hash(x) >> 1)::bigint;
create table region as select i::int as r_regionkey, ['AFRICA', 'AMERICA', 'ASIA', 'EUROPE', 'MIDDLE EAST'][i + 1] as r_name
from range(5) t(i);
create table nation as select (i - 1)::int as n_nationkey, names[i] as n_name, regions[i]::int as n_regionkey
from (select ['ALGERIA', 'ARGENTINA', 'BRAZIL', 'CANADA', 'EGYPT', 'ETHIOPIA', 'FRANCE', 'GERMANY', 'INDIA', 'INDONESIA', 'IRAN', 'IRAQ',
    'JAPAN', 'JORDAN', 'KENYA', 'MOROCCO', 'MOZAMBIQUE', 'PERU', 'CHINA', 'ROMANIA', 'SAUDI ARABIA', 'VIETNAM', 'RUSSIA',
    'UNITED KINGDOM', 'UNITED STATES'] as names,
    [0, 1, 1, 1, 4, 0, 3, 3, 2, 2, 4, 4, 2, 4, 0, 0, 0, 1, 2, 3, 4, 2, 3, 3, 1] as regions), range(1, 26) t(i);
create table supplier as select i::bigint as s_suppkey, printf('Supplier#%09d', i) as s_name, 'address ' || i as s_address,
    (i % 25)::int as s_nationkey, printf('%d-%03d', 10 + i % 25, i % 999) as s_phone,
    ((h(i * 11) % 1099999)::bigint / 100.0 - 999.99)::decimal(15, 2) as s_acctbal,
    case when i % 20 = 0 then 'Customer some Complaints' else 'a comment' end as s_comment
from range(1, {orders} // 150 + 1) t(i);
create table customer as select i::bigint as c_custkey, printf('Customer#%09d', i) as c_name, 'address ' || i as c_address,
    (h(i * 13) % 25)::int as c_nationkey, printf('%d-%03d', 10 + h(i * 13) % 25, i % 999) as c_phone,
    ((h(i * 17) % 1099999)::bigint / 100.0 - 999.99)::decimal(15, 2) as c_acctbal,
    ['AUTOMOBILE', 'BUILDING', 'FURNITURE', 'MACHINERY', 'HOUSEHOLD'][1 + h(i * 19) % 5] as c_mktsegment, 'a comment' as c_comment
from range(1, {orders} // 10 + 1) t(i);
create table part as select i::bigint as p_partkey,
    ['almond', 'forest', 'green', 'lace', 'red'][1 + h(i * 23) % 5] || ' ' || ['azure', 'navy', 'plum'][1 + h(i * 29) % 3] as p_name,
    'Manufacturer#' || (1 + i % 5) as p_mfgr, 'Brand#' || (1 + i % 5) || (1 + h(i * 31) % 5) as p_brand,
    ['STANDARD', 'SMALL', 'MEDIUM', 'LARGE', 'ECONOMY', 'PROMO'][1 + h(i * 37) % 6] || ' '
        || ['ANODIZED', 'BURNISHED', 'PLATED', 'POLISHED', 'BRUSHED'][1 + h(i * 41) % 5] || ' '
        || ['TIN', 'NICKEL', 'BRASS', 'STEEL', 'COPPER'][1 + h(i * 43) % 5] as p_type,
    (1 + h(i * 47) % 50)::int as p_size,
    ['SM', 'MED', 'LG', 'JUMBO', 'WRAP'][1 + h(i * 53) % 5] || ' ' || ['CASE', 'BOX', 'BAG', 'PACK', 'PKG'][1 + h(i * 59) % 5] as p_container,
    (900 + i % 1000 / 10.0)::decimal(15, 2) as p_retailprice
from range(1, {orders} * 2 // 15 + 1) t(i);
create table partsupp as select p_partkey as ps_partkey, 1 + (p_partkey * 7 + s * 13) % ({orders} // 150) as ps_suppkey,
    (1 + h(p_partkey * 61 + s) % 9999)::int as ps_availqty,
    ((100 + h(p_partkey * 67 + s) % 99900)::bigint / 100.0)::decimal(15, 2) as ps_supplycost
from part, range(4) t(s);
create macro keys(low, high) as table select i::bigint as o_orderkey from range(low, high) t(i);
create macro new_orders(low, high) as table
select o_orderkey, 1 + h(o_orderkey * 71) % ({orders} // 10) // 3 * 3 + h(o_orderkey * 73) % 2 as custkey,
    date '1992-01-01' + (h(o_orderkey * 79) % 2405)::int as o_orderdate,
    ['1-URGENT', '2-HIGH', '3-MEDIUM', '4-NOT SPECIFIED', '5-LOW'][1 + h(o_orderkey * 83) % 5] as o_orderpriority,
    0::int as o_shippriority,
    case when h(o_orderkey * 89) % 50 = 0 then 'very special big requests' else 'a comment' end as o_comment
from keys(low, high);
create macro new_lines(low, high) as table
select o_orderkey as l_orderkey, n::int as l_linenumber, 1 + part % ({orders} * 2 // 15) as l_partkey,
    1 + ((1 + part % ({orders} * 2 // 15)) * 7 + part % 4 * 13) % ({orders} // 150) as l_suppkey,
    (1 + h(o_orderkey * 97 + n) % 50)::decimal(15, 2) as l_quantity,
    ((1 + h(o_orderkey * 97 + n) % 50)::bigint * (90000 + part % 9999) / 100.0)::decimal(15, 2) as l_extendedprice,
    ((h(o_orderkey * 101 + n) % 11)::int / 100.0)::decimal(15, 2) as l_discount,
    ((h(o_orderkey * 103 + n) % 9)::int / 100.0)::decimal(15, 2) as l_tax,
    o_orderdate + (1 + h(o_orderkey * 107 + n) % 121)::int as l_shipdate,
    o_orderdate + (30 + h(o_orderkey * 109 + n) % 61)::int as l_commitdate,
    o_orderdate + (1 + h(o_orderkey * 107 + n) % 121)::int + (1 + h(o_orderkey * 113 + n) % 30)::int as l_receiptdate,
    case when l_receiptdate > date '1995-06-17' then 'N' when h(o_orderkey * 127 + n) % 2 = 0 then 'R' else 'A' end as l_returnflag,
    case when l_shipdate > date '1995-06-17' then 'O' else 'F' end as l_linestatus,
    ['DELIVER IN PERSON', 'COLLECT COD', 'NONE', 'TAKE BACK RETURN'][1 + h(o_orderkey * 131 + n) % 4] as l_shipinstruct,
    ['REG AIR', 'AIR', 'RAIL', 'SHIP', 'TRUCK', 'MAIL', 'FOB'][1 + h(o_orderkey * 137 + n) % 7] as l_shipmode
from (select *, (h(o_orderkey * 139 + n) % 1000000)::bigint as part from new_orders(low, high), range(1, 8) t(n)
    where n <= 1 + h(o_orderkey * 149) % 7);
create macro whole_orders(low, high) as table
select o_orderkey, custkey::bigint as o_custkey,
    case when bool_and(l_linestatus = 'F') then 'F' when bool_and(l_linestatus = 'O') then 'O' else 'P' end as o_orderstatus,
    sum(l_extendedprice * (1 + l_tax) * (1 - l_discount))::decimal(15, 2) as o_totalprice,
    o_orderdate, o_orderpriority, o_shippriority, o_comment
from new_orders(low, high) join new_lines(low, high) on l_orderkey = o_orderkey group by all;
create table orders as from whole_orders(1, {orders} + 1);
create table lineitem as from new_lines(1, {orders} + 1);
