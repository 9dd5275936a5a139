#!/bin/bash
# Our side of the peers' benchmark: ours.sh STAGE OUT. In full everything lies in OUT. In incr and mongo the lake is OUT.lake,
# because bronze has the checked table's name too: OUT gets hard links to the silver mirror, or the documents' columns.
# In transform the lake lies in OUT and reads the peers' input.
set -euo pipefail
stage=$1 out=$2 root=$(cd "$(dirname "$0")/../.." && pwd)
if [ "$stage" = transform ]; then  # the inputs are there: our build reads them where they lie
  mkdir -p "$out/data/lake/ref"
  ln -s "$PEERS_BRONZE/sales_data" "$PEERS_BRONZE/products" "$out/data/lake/ref/"
  echo 'data = "data"' >"$out/cartlake.toml"
  exec "$root/.venv/bin/python" "$root/tests/bench/star_build.py" "$out"
fi
home=$out; [ "$stage" = full ] || home=$out.lake
mkdir -p "$home" "$out"
url='${PEERS_MYSQL_DSN}' kind=mysql; [ "$stage" = mongo ] && url='${PEERS_MONGO_DSN}/shop?directConnection=true' kind=mongodb
printf '[sources.shop]\nkind = "%s"\nurl = "%s"\ntables = ["shop.%s"]\n' "$kind" "$url" "$([ "$stage" = mongo ] && echo products || echo sales_data)" >"$home/cartlake.toml"
cartlake() { "$root/.venv/bin/cartlake" --config "$home/cartlake.toml" "$@"; }
cartlake capture
case $stage in
incr)
  cartlake build
  rm -rf "$out/sales_data"
  cp -al "$home/data/lake/silver/shop__shop__sales_data" "$out/sales_data" ;;
mongo)  # the check wants columns, and the numbers in `attributes` as plain JSON has them
  bronze="$home/data/lake/bronze/shop/shop/products/*.parquet" out="$out/products.parquet" "$root/.venv/bin/duckdb" <<'SQL'
copy (
  select
    document->>'$.product_id' as product_id, document->'$.tags' as tags, document->'$.price' as price,
    regexp_replace((document->'$.attributes')::varchar, '\{"\$number(?:Int|Long|Double)":"([^"]*)"\}', '\1', 'g')::json as attributes
  from (select document::json as document from read_parquet(getenv('bronze')))
) to (getenv('out'));
SQL
  ;;
esac
