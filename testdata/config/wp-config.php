# expect: 6 key-name DB_PASSWORD
# expect: 7 key-name AUTH_KEY
# expect: 9 key-name smtp_password
<?php
define('DB_NAME', 'hub');
define( 'DB_PASSWORD', 'fake-wordpress' );
define('AUTH_KEY', "fake put your unique phrase here");
$config['password'] = getenv('DB_PASSWORD');
$config['smtp_password'] = 'fake-smtp';
