//! Fetches a plugin's file from where `plugin install` names it, and its signature.

use std::path::{Path, PathBuf};

use anyhow::Context;
use bytes::Bytes;
use serde_json::Value;

use crate::config::Config;
use crate::plugin::host::Limits;
use crate::plugin::registry::{Challenge, Login, challenge, login_of_docker};
use crate::plugin::signature;
use crate::plugin::source::{MANIFEST_TYPE, OciReference, Sha256Hex, Source, wasm_layer};
use crate::send::download::{Downloaded, Downloading};

/// A plugin's file, and its signature where there is one.
pub(super) struct Fetched {
    pub bytes: Bytes,
    pub signature: Option<String>,
}

/// Reads or fetches a plugin's file. What comes over the network must have a digest that was given.
pub(super) fn fetch(
    source: &Source,
    sha256: Option<&Sha256Hex>,
    named_signature: Option<&Path>,
    config: &Path,
) -> anyhow::Result<Fetched> {
    let mut fetched = match source {
        Source::File(path) => from_file(path)?,
        Source::Url(_) if sha256.is_none() => {
            anyhow::bail!("a plugin from a URL needs its digest: add --sha256 and the file's SHA-256")
        }
        Source::Url(_) | Source::Oci(_) => over_network(config, source)?,
    };
    if let Some(sha256) = sha256 {
        sha256.check("the plugin's file", &fetched.bytes).map_err(anyhow::Error::msg)?;
    }
    if let Some(path) = named_signature {
        fetched.signature = Some(read_text(path)?);
    }
    Ok(fetched)
}

fn from_file(path: &Path) -> anyhow::Result<Fetched> {
    let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".");
    beside.push(signature::SUFFIX);
    let beside = PathBuf::from(beside);
    let signature = if beside.is_file() { Some(read_text(&beside)?) } else { None };
    Ok(Fetched { bytes: Bytes::from(bytes), signature })
}

fn read_text(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn over_network(config: &Path, source: &Source) -> anyhow::Result<Fetched> {
    let config = Config::load_without_commands(config, &|name| std::env::var(name).ok())?;
    let downloading = Downloading {
        egress: &config.egress,
        addresses: &config.plugins.allowed_addresses,
        bytes_max: Limits::default().file_bytes_max,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match source {
            Source::File(path) => from_file(path),
            Source::Url(url) => from_url(&downloading, url).await,
            Source::Oci(reference) => from_registry(&downloading, reference, &config.plugins.logins).await,
        }
    })
}

async fn from_url(downloading: &Downloading<'_>, url: &str) -> anyhow::Result<Fetched> {
    let bytes = good(url, downloading.get(url, &[]).await?)?;
    let beside = format!("{url}.{}", signature::SUFFIX);
    let signature = downloading.get(&beside, &[]).await?;
    let signature = (signature.status == 200).then(|| String::from_utf8_lossy(&signature.body).into_owned());
    Ok(Fetched { bytes, signature })
}

/// Fetches a Wasm artifact: its manifest by the digest that was given, and the one layer by the digest
/// that the manifest gives.
async fn from_registry(
    downloading: &Downloading<'_>,
    reference: &OciReference,
    logins: &[(String, Login)],
) -> anyhow::Result<Fetched> {
    let url = reference.manifest_url();
    let mut headers = vec![("accept".to_string(), MANIFEST_TYPE.to_string())];
    let mut answer = downloading.get(&url, &headers).await?;
    if answer.status == 401 {
        let asked = challenge(answer.header("www-authenticate").unwrap_or_default())
            .with_context(|| format!("{url} wants credentials of a kind that is not known here"))?;
        let login = login_for(&reference.registry, logins)?;
        headers.push(shown_to(downloading, &reference.registry, asked, login.as_ref()).await?);
        answer = downloading.get(&url, &headers).await?;
        let refused = matches!(answer.status, 401 | 403);
        anyhow::ensure!(!refused, "{url} was answered with {}: {}", answer.status, whose(login.as_ref(), reference));
    }
    let manifest = good(&url, answer)?;
    reference.digest.check("the artifact's manifest", &manifest).map_err(anyhow::Error::msg)?;
    let layer = wasm_layer(&manifest).map_err(anyhow::Error::msg)?;
    headers.retain(|(name, _)| name == "authorization");
    let url = reference.blob_url(&layer);
    let bytes = good(&url, downloading.get(&url, &headers).await?)?;
    layer.check("the artifact's layer", &bytes).map_err(anyhow::Error::msg)?;
    Ok(Fetched { bytes, signature: None })
}

/// The header that a registry's challenge asks for.
async fn shown_to(
    downloading: &Downloading<'_>,
    registry: &str,
    asked: Challenge,
    login: Option<&Login>,
) -> anyhow::Result<(String, String)> {
    let url = match (asked, login) {
        (Challenge::Basic, Some(login)) => return Ok(login.header()),
        (Challenge::Basic, None) => anyhow::bail!("{}", no_login(registry)),
        (Challenge::Token(url), _) => url,
    };
    let shown: Vec<(String, String)> = login.map(Login::header).into_iter().collect();
    let answer = downloading.get(&url, &shown).await?;
    match (answer.status, login) {
        (401 | 403, Some(login)) => anyhow::bail!("{url} refuses the login of `{}` for {registry}", login.username()),
        (401 | 403, None) => anyhow::bail!("{}", no_login(registry)),
        _ => {}
    }
    let token: Value = serde_json::from_slice(&good(&url, answer)?).context("the registry gives no token")?;
    let token = token["token"].as_str().or(token["access_token"].as_str()).context("the registry gives no token")?;
    Ok(("authorization".to_string(), format!("Bearer {token}")))
}

/// The login for a registry: of the configuration, else of docker's file.
fn login_for(registry: &str, logins: &[(String, Login)]) -> anyhow::Result<Option<Login>> {
    if let Some((_, login)) = logins.iter().find(|(host, _)| host == registry) {
        return Ok(Some(login.clone()));
    }
    let directory = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let directory = directory.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")));
    let Some(path) = directory.map(|directory| directory.join("config.json")) else { return Ok(None) };
    match std::fs::read(&path) {
        Ok(file) => login_of_docker(&file, registry).map_err(|why| anyhow::anyhow!("{}: {why}", path.display())),
        Err(_) => Ok(None),
    }
}

fn whose(login: Option<&Login>, reference: &OciReference) -> String {
    match login {
        Some(login) => format!("`{}` may not read {}/{}", login.username(), reference.registry, reference.repository),
        None => no_login(&reference.registry),
    }
}

fn no_login(registry: &str) -> String {
    format!("{registry} wants a login: [[plugins.registry]] in the configuration, or `docker login {registry}`")
}

fn good(url: &str, answer: Downloaded) -> anyhow::Result<Bytes> {
    anyhow::ensure!(answer.status == 200, "{url} was answered with {}", answer.status);
    Ok(answer.body)
}
