//! Start and stop.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{RwLock, watch};

use super::destinations::Destinations;
use super::plugins::Plugins;
use super::{Changing, Daemon};
use crate::admin::{self, Token};
use crate::clock;
use crate::config::Config;
use crate::config::watch::Watch;
use crate::delivery::guest::Guests;
use crate::delivery::live::Live;
use crate::delivery::runtime::Shared;
use crate::http::{self, ServeLimits};
use crate::ingest::{self, Gate};
use crate::plugin::handles::HandleKey;
use crate::plugin::host::{Limits, PluginHost};
use crate::queue::{EventStore, RedbStore, StoreOptions};

/// Changes of files are taken up when nothing more has changed for so long, so that a file that is
/// being copied is not read half.
const QUIET: Duration = Duration::from_millis(50);

/// Admin connections at a time.
const ADMIN_CONNECTIONS_MAX: usize = 256;

/// Runs the daemon until it is told to stop.
pub fn run(config: Config) -> anyhow::Result<()> {
    start_logging();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run_until_stopped(config))
}

fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("SWITCHYARD_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,wasmtime=warn,cranelift=warn"));
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi).init();
}

/// The bounds on guests, as the plugin host takes them.
pub(super) fn plugin_limits(config: &Config) -> Limits {
    Limits {
        memory_bytes_max: config.guests.memory_bytes_max,
        call_ms_max: config.guests.call_ms_max,
        output_bytes_max: config.guests.output_bytes_max,
        requests_max: config.guests.requests_max,
        ..Limits::default()
    }
}

async fn run_until_stopped(config: Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    make_directory(&config.data_directory)?;
    std::fs::create_dir_all(&config.plugin_directory)
        .with_context(|| format!("{} cannot be made", config.plugin_directory.display()))?;
    let ingest = listen(config.ingest_address, "listen.ingest").await?;
    let admin = listen(config.admin_address, "listen.admin").await?;
    let daemon = start(config).await?;
    let (stop, stopped) = watch::channel(false);
    let servers = tokio::spawn(serve(daemon.clone(), ingest, admin, stopped.clone()));
    let watching = tokio::spawn(watch_files(daemon.clone(), stopped));
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
        _ = interrupt.recv() => tracing::info!("interrupted: stopping"),
    }
    daemon.gate.stop();
    stop.send_replace(true);
    servers.await?;
    watching.await?;
    daemon.changing.write().await.destinations.stop_all().await;
    daemon.store.close().await?;
    tracing::info!("stopped");
    Ok(())
}

async fn listen(address: std::net::SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("{key}: cannot listen on {address}: is another daemon running there?"))
}

/// Makes the data directory, for the owner alone: it holds events and the admin token.
fn make_directory(path: &Path) -> anyhow::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("data.directory: {} cannot be made", path.display()))
}

/// Opens the store, loads the plugins and starts the destinations.
async fn start(config: Config) -> anyhow::Result<Arc<Daemon>> {
    let now = clock::system();
    let options = StoreOptions {
        queue_bytes_max: config.queue.queue_bytes_max,
        disk_reserve_bytes: config.queue.disk_reserve_bytes,
        retention_ms: config.queue.retention_ms,
        retention_bytes: config.queue.retention_bytes,
        ..StoreOptions::default()
    };
    let store_path = config.data_directory.join("store.redb");
    let store: Arc<dyn EventStore> =
        Arc::new(tokio::task::spawn_blocking(move || RedbStore::open(&store_path, options)).await??);
    let token = Token::read_or_make(&config.data_directory)?;
    let handle_key = HandleKey::read_or_make(&config.data_directory)?;
    let host = Arc::new(PluginHost::new(plugin_limits(&config), Some(&config.data_directory.join("compiled")))?);
    let guests = Guests::start(config.guests.workers)?;
    let live = Live::new();
    let gate = Arc::new(Gate::new(store.clone(), &config, live.clone(), now.clone()));
    let mut plugins = Plugins::new(host.clone(), &config.plugin_directory);
    for (_, revision) in plugins.look().await {
        tracing::info!(plugin = %revision.manifest().id, version = %revision.manifest().version,
            revision = revision.short_digest(), "the plugin is active");
        plugins.activate(revision);
    }
    let shared = Shared { guests, now: now.clone(), live: live.clone() };
    let mut destinations = Destinations::new(shared, host, handle_key);
    for (pipeline, destination) in config.destinations() {
        let active = destinations
            .ready(destination, plugins.get(&destination.plugin))
            .await
            .with_context(|| format!("{}:{}", config.path.display(), destination.line))?;
        if let Some(trouble) = &active.trouble {
            tracing::warn!(destination = %destination.id, "{trouble}: its events wait until it is");
        }
        destinations.start(&store, pipeline, active, config.drain_grace_ms).await?;
    }
    forget_removed(&config, &store).await?;
    tracing::info!(
        ingest = %config.ingest_address, admin = %config.admin_address,
        pipelines = config.pipelines.len(), destinations = destinations.ids().len(),
        data = %config.data_directory.display(), "ready"
    );
    Ok(Arc::new(Daemon {
        token,
        gate,
        store,
        live,
        now,
        changing: RwLock::new(Changing { config, plugins, destinations }),
        refused: Mutex::new(None),
    }))
}

/// Destinations that the store knows and the configuration no longer has would hold events for ever.
async fn forget_removed(config: &Config, store: &Arc<dyn EventStore>) -> anyhow::Result<()> {
    for known in store.destinations().await? {
        let id = &known.destination;
        if !config.destinations().any(|(_, each)| each.id == *id) {
            let expired = store.remove(id).await?;
            tracing::warn!(destination = %id, expired, "the destination is no longer configured; what it had not delivered expired");
        }
    }
    Ok(())
}

async fn serve(daemon: Arc<Daemon>, ingest: TcpListener, admin: TcpListener, stopped: watch::Receiver<bool>) {
    let limits = &daemon.gate.limits;
    let ingest_limits =
        ServeLimits { connections_max: limits.connections_max, head_ms_max: limits.read_timeout_ms, grace_ms: 1_000 };
    let admin_limits = ServeLimits { connections_max: ADMIN_CONNECTIONS_MAX, head_ms_max: 30_000, grace_ms: 200 };
    let own = daemon.clone();
    let ingest_handler = move |request, peer: std::net::SocketAddr| {
        let daemon = own.clone();
        async move {
            let path = hyper::Request::uri(&request).path();
            match admin::health(&daemon, path) {
                Some(response) => response,
                None => ingest::handle(daemon.gate.clone(), request, peer.ip()).await,
            }
        }
    };
    let admin_handler = move |request, _| admin::handle(daemon.clone(), request);
    tokio::join!(
        http::serve(ingest, ingest_limits, ingest_handler, stopped.clone()),
        http::serve(admin, admin_limits, admin_handler, stopped),
    );
}

/// Takes up changes of the configuration file and of the plugin directory until the daemon stops.
async fn watch_files(daemon: Arc<Daemon>, mut stopped: watch::Receiver<bool>) {
    let (config_path, plugin_directory) = {
        let changing = daemon.changing.read().await;
        (changing.config.path.clone(), changing.config.plugin_directory.clone())
    };
    let config_directory = match config_path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => Path::new(".").to_path_buf(),
    };
    let config_name = config_path.file_name().map(ToOwned::to_owned);
    // A mounted directory is replaced as a whole through a link whose name begins with two dots.
    let is_config = move |path: &Path| {
        let name = path.file_name();
        name == config_name.as_deref() || name.is_some_and(|name| name.as_encoded_bytes().starts_with(b".."))
    };
    let is_plugin = |path: &Path| path.extension().is_some_and(|extension| extension == "wasm");
    tokio::select! {
        () = each_change(config_directory, is_config, || daemon.reload_config(&config_path)) => {}
        () = each_change(plugin_directory, is_plugin, || daemon.reload_plugins()) => {}
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
}

/// Calls `look` after each change of a file in a directory that `concerns` names. Returns only when it cannot be watched.
async fn each_change<F: Future<Output = ()>>(
    directory: PathBuf,
    concerns: impl Fn(&Path) -> bool + Send + 'static,
    look: impl Fn() -> F,
) {
    let mut watch = match Watch::directory(&directory, concerns) {
        Ok(watch) => watch,
        Err(error) => {
            tracing::error!(directory = %directory.display(), %error, "cannot be watched: restart the daemon after a change");
            return std::future::pending().await;
        }
    };
    loop {
        watch.changed().await;
        while tokio::time::timeout(QUIET, watch.changed()).await.is_ok() {}
        look().await;
    }
}
