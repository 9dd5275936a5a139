"""MySQL and MariaDB: rows by snapshot or by a cursor, changes from the binary log."""
