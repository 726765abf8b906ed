//! Credentials that the host fetches or makes for each request: OAuth2 tokens and AWS signatures.

use crate::settings::{AuthKind, ClientAuth, Settings};

/// The scheme of the host with its parameters, when the settings want one.
///
/// # Errors
/// Names the setting that is missing.
pub fn of_settings(settings: &Settings) -> Result<Option<String>, String> {
    let mut parameters: Vec<(&str, String)> = Vec::new();
    let name = match settings.auth {
        AuthKind::None | AuthKind::Basic | AuthKind::Bearer | AuthKind::Header | AuthKind::Query => return Ok(None),
        AuthKind::Oauth2ClientCredentials => "oauth2-client-credentials",
        AuthKind::Oauth2RefreshToken => "oauth2-refresh-token",
        AuthKind::JwtBearer => "jwt-bearer",
        AuthKind::AwsSigv4 => "aws-sigv4",
    };
    let needed: &[(&str, &str, &Option<String>)] = match settings.auth {
        AuthKind::Oauth2ClientCredentials => &[
            ("token_url", "token-url", &settings.token_url),
            ("client_id", "client-id", &settings.client_id),
            ("client_secret", "client-secret", &settings.client_secret),
        ],
        AuthKind::Oauth2RefreshToken => &[
            ("token_url", "token-url", &settings.token_url),
            ("client_id", "client-id", &settings.client_id),
            ("refresh_token", "refresh-token", &settings.refresh_token),
        ],
        AuthKind::JwtBearer => {
            &[("token_url", "token-url", &settings.token_url), ("jwt_key", "key", &settings.jwt_key)]
        }
        _ => &[
            ("aws_region", "region", &settings.aws_region),
            ("aws_service", "service", &settings.aws_service),
            ("aws_access_key", "access-key", &settings.aws_access_key),
            ("aws_secret_key", "secret-key", &settings.aws_secret_key),
        ],
    };
    for (setting, parameter, value) in needed {
        let value = Option::clone(value).ok_or(format!("{setting}: is missing, and the other settings need it"))?;
        parameters.push((parameter, value));
    }
    let further: &[(&str, &Option<String>)] = match settings.auth {
        AuthKind::Oauth2ClientCredentials => &[("audience", &settings.audience)],
        AuthKind::Oauth2RefreshToken => &[("client-secret", &settings.client_secret)],
        AuthKind::JwtBearer => {
            &[("issuer", &settings.jwt_issuer), ("subject", &settings.jwt_subject), ("audience", &settings.audience)]
        }
        _ => &[("session-token", &settings.aws_session_token)],
    };
    parameters.extend(further.iter().filter_map(|(parameter, value)| Some((*parameter, (*value).clone()?))));
    let is_oauth2 = matches!(settings.auth, AuthKind::Oauth2ClientCredentials | AuthKind::Oauth2RefreshToken);
    if is_oauth2 && settings.client_auth == ClientAuth::Body {
        parameters.push(("client-auth", "body".to_string()));
    }
    if settings.auth != AuthKind::AwsSigv4 {
        parameters.extend(settings.scopes.iter().map(|scope| ("scope", scope.clone())));
    }
    let mut scheme = name.to_string();
    for (parameter, value) in parameters {
        if value.is_empty() || value.contains(char::is_whitespace) {
            return Err(format!("{}: must be without spaces and not empty", parameter.replace('-', "_")));
        }
        scheme.push_str(&format!(" {parameter}={value}"));
    }
    Ok(Some(scheme))
}
