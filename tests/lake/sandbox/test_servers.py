def test_first(servers):
    print(servers.execute("select user,host from mysql.user","show master status"), servers.mysql_url, servers.mongo_url)
    d = servers.new_database()
    from lake.sandbox.mariadb import connect
    c = connect(servers.url_of(d)); cur = c.cursor(); cur.execute("show grants"); print(cur.fetchall())
    print(servers.execute("select user,host from mysql.user"))
