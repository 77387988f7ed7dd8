//! What a secret was known by.

/// What a secret was known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// A private key: PEM, OpenSSH, OpenPGP, `PuTTY`, also in base64.
    PrivateKey,
    /// An age identity.
    AgeSecretKey,
    /// The id of an AWS access key.
    AwsAccessKeyId,
    /// A GitHub token.
    GithubToken,
    /// A GitLab token.
    GitlabToken,
    /// A Slack token or webhook.
    SlackToken,
    /// A Stripe key.
    StripeKey,
    /// A Google API key.
    GoogleApiKey,
    /// A JSON web token with its signature.
    Jwt,
    /// An npm or `PyPI` token.
    PackageToken,
    /// A key in an Azure connection string.
    AzureKey,
    /// A token of another service whose tokens have a form of their own.
    ServiceToken,
    /// The credentials of an HTTP request.
    AuthorizationHeader,
    /// A password in a URL.
    UrlPassword,
    /// A value in a Kubernetes object of the kind Secret.
    KubernetesSecret,
    /// The value of a key that is named after a secret.
    KeyName,
}

impl Rule {
    /// The name in messages and settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PrivateKey => "private-key",
            Self::AgeSecretKey => "age-secret-key",
            Self::AwsAccessKeyId => "aws-access-key-id",
            Self::GithubToken => "github-token",
            Self::GitlabToken => "gitlab-token",
            Self::SlackToken => "slack-token",
            Self::StripeKey => "stripe-key",
            Self::GoogleApiKey => "google-api-key",
            Self::Jwt => "jwt",
            Self::PackageToken => "package-token",
            Self::AzureKey => "azure-key",
            Self::ServiceToken => "service-token",
            Self::AuthorizationHeader => "authorization-header",
            Self::UrlPassword => "url-password",
            Self::KubernetesSecret => "kubernetes-secret",
            Self::KeyName => "key-name",
        }
    }

    /// Whether the secret was known by its key and not by its form.
    pub(super) fn is_by_key(self) -> bool {
        matches!(self, Self::KeyName | Self::KubernetesSecret)
    }
}
