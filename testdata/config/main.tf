# expect: 6 key-name token
resource "db" "hub" {
  name     = "hub"
  password = var.db_password
  token    = <<-EOT
    fake heredoc
    fake more
  EOT
  api_key  = data.vault.hub.result
}
