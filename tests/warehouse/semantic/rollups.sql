-- The rollups, written by hand from the facts of gold.sql as transforms/gold describes them.
CREATE TABLE gold.agg_customer_lifetime AS
  SELECT customer_id, strptime(min(date_key)::VARCHAR, '%Y%m%d')::DATE AS first_sale_date, count(DISTINCT order_id) AS frequency,
         if(count(DISTINCT order_id) > 1, 'Loyal customers', 'New customers') AS segment,
         1 + (customer_id % 5)::INT AS recency_score, if(count(DISTINCT order_id) > 1, 5, 1) AS frequency_score,
         sum(net_amount)::DECIMAL(18, 2) AS monetary, 1 + (customer_id % 3)::INT AS monetary_score,
         recency_score::VARCHAR || frequency_score || monetary_score AS rfm
  FROM gold.fact_sales WHERE customer_id IS NOT NULL GROUP BY 1;
CREATE TABLE gold.agg_sales_daily AS
  WITH every AS (
    SELECT date_key, product_key, country_key, channel_key, order_id, quantity AS units, amount, discount, net_amount, 0 AS returned_units,
           0.00 AS returned_amount, coalesce(cost, 0) AS cost,
           if(cost IS NULL, 0, net_amount) AS costed_amount, 1 AS lines FROM gold.fact_sales
    UNION ALL SELECT date_key, product_key, country_key, channel_key, NULL, 0, 0, 0, 0, quantity, refund, 0, 0, 0 FROM gold.fact_returns)
  SELECT date_key, date_key // 100 AS month_key, coalesce(category, 'Unknown') AS category, coalesce(country, 'Unknown') AS country,
         coalesce(channel, 'Unknown') AS channel, count(DISTINCT order_id) AS orders, sum(units)::BIGINT AS units,
         sum(amount)::DECIMAL(18, 2) AS amount, sum(discount)::DECIMAL(18, 2) AS discount, sum(net_amount)::DECIMAL(18, 2) AS net_amount,
         sum(returned_units)::BIGINT AS returned_units, sum(returned_amount)::DECIMAL(18, 2) AS returned_amount,
         sum(cost)::DECIMAL(18, 2) AS cost, sum(costed_amount)::DECIMAL(18, 2) AS costed_amount, sum(lines)::BIGINT AS lines
  FROM every LEFT JOIN gold.dim_product USING (product_key) LEFT JOIN gold.dim_country USING (country_key)
             LEFT JOIN gold.dim_channel USING (channel_key) GROUP BY 1, 2, 3, 4, 5;
CREATE TABLE gold.agg_orders_daily AS
  SELECT date_key, coalesce(country, 'Unknown') AS country, coalesce(channel, 'Unknown') AS channel, count(DISTINCT order_id) AS orders
  FROM gold.fact_sales LEFT JOIN gold.dim_country USING (country_key) LEFT JOIN gold.dim_channel USING (channel_key) GROUP BY 1, 2, 3;
CREATE TABLE gold.agg_sales_monthly AS
  SELECT month_key, month_key // 100 AS year, (month_key % 100 + 2) // 3 AS quarter, month_key % 100 AS month, category, country, channel,
         sum(COLUMNS(* EXCLUDE (date_key, month_key, category, country, channel, orders))) FROM gold.agg_sales_daily
  GROUP BY 1, 2, 3, 4, 5, 6, 7;
CREATE TABLE gold.cube_sales AS
  SELECT grouping(year, country, category, channel)::INT AS grouping_id, year, country, category, channel,
         sum(COLUMNS(* EXCLUDE (month_key, year, quarter, month, category, country, channel))) FROM gold.agg_sales_monthly
  GROUP BY CUBE (year, country, category, channel);
CREATE TABLE gold.agg_funnel AS
  SELECT date_key, traffic_channel, count(*) FILTER (NOT is_bot) AS visits, count(*) FILTER (NOT is_bot AND orders > 0) AS ordered,
         count(*) FILTER (NOT is_bot AND (products > 0 OR carts > 0 OR checkouts > 0 OR orders > 0)) AS product,
         count(*) FILTER (NOT is_bot AND (carts > 0 OR checkouts > 0 OR orders > 0)) AS cart,
         count(*) FILTER (NOT is_bot AND (checkouts > 0 OR orders > 0)) AS checkout,
         count(*) FILTER (is_bot) AS bots FROM gold.fact_web_sessions GROUP BY 1, 2;
