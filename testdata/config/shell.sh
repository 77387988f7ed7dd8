# expect: 6 key-name DB_PASSWORD
# expect: 7 key-name API_TOKEN
# expect: 9 key-name PGPASSWORD
# expect: 12 key-name secret
#!/bin/sh
export DB_PASSWORD='fake'"two"
API_TOKEN=fake0\
fake1
PGPASSWORD=fakepg psql --host=db
PGPASSWORD="$DB_PASSWORD" psql --host=db
token=$(cat /run/secrets/token)
secret "fake0BaseSixtyFour=="
if [ -z "$DB_PASSWORD" ]; then echo "DB_PASSWORD is not set"; fi
