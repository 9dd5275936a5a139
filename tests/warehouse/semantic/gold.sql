-- A small gold with rows of every awkward kind; conftest.py adds sales of no new kind before the rollups.
CREATE SCHEMA gold;
CREATE TABLE gold.dim_date AS
  SELECT strftime(d, '%Y%m%d')::INT AS date_key, d::DATE AS date, year(d)::INT AS year, quarter(d)::INT AS quarter,
         month(d)::INT AS month, dayname(d) AS weekday_name
  FROM generate_series(DATE '2023-01-01', DATE '2026-12-31', INTERVAL 1 DAY) t(d);
CREATE TABLE gold.dim_product (product_key BIGINT, name VARCHAR, sku VARCHAR, category VARCHAR, brand VARCHAR, type VARCHAR);
INSERT INTO gold.dim_product VALUES
  (-1, 'Unknown', 'Unknown', 'Unknown', 'Unknown', 'Unknown'), (1, 'Lamp', 'L1', 'Home', 'Lumo', 'lamp'),
  (2, 'Novel', 'B1', 'Books', NULL, 'book'), (31, 'Puzzle', 'P1', 'Toys', 'Play', 'game'), (32, 'Puzzle', 'P1', 'Games', 'Play', 'game'),
  (4, 'Thing', 'T1', NULL, 'Lumo', NULL);
CREATE TABLE gold.dim_country AS FROM (VALUES (-1::BIGINT, 'Unknown'), (1, 'France'), (2, 'Spain'), (3, NULL)) t(country_key, country);
CREATE TABLE gold.dim_channel AS FROM (VALUES (-1::BIGINT, 'Unknown'), (1, 'web'), (2, 'store')) t(channel_key, channel);
CREATE TABLE gold.dim_customer AS
  FROM (VALUES (-1::BIGINT, NULL::BIGINT, 'Unknown'), (11, 1, 'Paris'), (12, 1, 'Lyon'), (2, 2, 'Madrid'), (3, 3, NULL)) t(customer_key, customer_id, city);
CREATE TABLE gold.fact_sales (sale_id BIGINT, order_id BIGINT, date_key INT, customer_id BIGINT, product_key BIGINT, country_key BIGINT,
  channel_key BIGINT, customer_key BIGINT, quantity INT, amount DECIMAL(18, 2), discount DECIMAL(18, 2), net_amount DECIMAL(18, 2), cost DECIMAL(18, 2));
CREATE TABLE gold.fact_returns (return_id BIGINT, date_key INT, customer_id BIGINT, product_key BIGINT, country_key BIGINT, channel_key BIGINT,
  customer_key BIGINT, quantity INT, refund DECIMAL(18, 2));
CREATE TABLE gold.fact_web_sessions (session_key BIGINT, date_key INT, traffic_channel VARCHAR, landing_page VARCHAR, orders INT, is_bot BOOLEAN);
INSERT INTO gold.fact_sales BY NAME SELECT * EXCLUDE (cost), (amount - discount)::DECIMAL(18, 2) AS net_amount, cost FROM (VALUES
-- sale, order, day, customer, product, country, channel, version of the customer, units, amount, discount, cost
(1, 100, 20240229, 1, 1, 1, 1, 11, 1, 10.00, 0.00, 4.00), (2, 100, 20240229, 1, 2, 1, 1, 11, 2, 20.05, 1.01, NULL),
(3, 101, 20240115, 2, 31, 2, 2, 2, 3, 33.33, 3.33, 11.11), (4, 102, 20250115, 2, 32, 2, 2, 2, 1, 11.11, 0.00, 3.70),
(5, 103, 20250228, 3, 1, 3, 1, 3, 1, 10.00, 0.00, 4.00), (6, 104, 20250301, NULL, -1, -1, -1, -1, 1, 0.01, 0.00, NULL),
(7, 105, 20250630, 1, 4, 1, 1, 12, 5, 55.55, 5.55, 20.00), (8, 105, 20250701, 1, 1, 1, 1, 12, 1, 10.00, 0.00, 4.00),
(9, 106, 20260115, 4, 1, 99, 1, 99, 1, 10.00, 10.00, 4.00), (10, 107, 20260310, 2, 2, 2, 2, 2, 1, 7.77, 0.00, NULL),
(11, 108, 20240620, 2, 2, 2, 1, 2, 1, 5.00, 0.00, 2.50), (12, 109, 20241230, 2, 2, 2, 1, 2, 2, 15.00, 0.00, 5.00)) t(sale_id, order_id, date_key, customer_id, product_key, country_key, channel_key, customer_key, quantity, amount, discount, cost);
-- two returns without a known sale; some on a day, in a month or in a year without sales
INSERT INTO gold.fact_returns VALUES
(1, 20240305, 1, 1, 1, 1, 11, 1, 10.00), (2, 20250420, 2, 31, 2, 2, 2, 2, 22.22), (3, 20250301, NULL, -1, -1, -1, -1, 1, 3.33),
(4, 20260101, NULL, -1, -1, -1, -1, 1, 0.00), (5, 20250630, 1, 4, 1, 1, 12, 1, 10.00),
(6, 20260210, 2, 2, 2, 2, 2, 1, 7.77), (7, 20231224, 2, 2, 3, -1, 2, 1, 1.00);
-- two visits of programs, one of them the only visit of its day and channel
INSERT INTO gold.fact_web_sessions VALUES
(1, 20250301, 'search', '/', 1, false), (2, 20250301, 'search', '/a', 0, false), (3, 20250302, 'direct', '/', 0, true),
(4, 20250302, 'mail', '/', 0, false), (5, 20250401, 'mail', '/', 2, false), (6, 20250401, 'mail', '/', 3, true);
ALTER TABLE gold.fact_web_sessions ADD COLUMN products INT DEFAULT 0;
ALTER TABLE gold.fact_web_sessions ADD COLUMN carts INT DEFAULT 0;
ALTER TABLE gold.fact_web_sessions ADD COLUMN checkouts INT DEFAULT 0;
-- the second visit looked at something; the fourth went straight to the checkout; a program looked, too
UPDATE gold.fact_web_sessions SET products = 2 WHERE session_key IN (2, 3);
UPDATE gold.fact_web_sessions SET checkouts = 1 WHERE session_key = 4;
CREATE TABLE gold.agg_search_terms AS
  FROM (VALUES (20250301, 'lamp', 3, 2), (20250302, 'lamp', 1, 1), (20250401, 'novel', 5, 4)) t(date_key, term, searches, visitors);
-- nobody ordered on the first day
ALTER TABLE gold.agg_search_terms ADD COLUMN with_order BIGINT DEFAULT 0;
UPDATE gold.agg_search_terms SET with_order = CASE term WHEN 'lamp' THEN 1 ELSE 2 END WHERE date_key <> 20250301;
CREATE TABLE gold.customer_segments AS
  FROM (VALUES (1, 'Regulars', 100.00::DECIMAL(18, 2)), (2, 'Regulars', 0.01), (3, 'One-time buyers', 10.05), (4, 'One-time buyers', 10.00),
               (5, 'One-time buyers', 10.00)) t(customer_id, segment, monetary);
