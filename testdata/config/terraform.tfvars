# expect: 4 key-name db_password
# expect: 9 key-name token
region      = "eu-west-1"
db_password = "fake-tf"
api_token   = var.api_token
secret_arn  = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:hub"
tags = {
  owner = "hub"
  token = "fake-tag"
}
