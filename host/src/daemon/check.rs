//! `switchyard check`: the configuration with the plugins and settings it names, without running.

use std::sync::Arc;

use crate::config::Config;
use crate::delivery::active::missing_grants;
use crate::meter::Meters;
use crate::plugin::handles::HandleKey;
use crate::plugin::host::PluginHost;

use super::destinations::guest;
use super::plugins::{Chosen, as_active};
use super::run::plugin_limits;

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// What the daemon would refuse, each with its place.
    pub mistakes: Vec<String>,
    /// What will not work as it stands.
    pub warnings: Vec<String>,
}

/// Checks a configuration against the plugins in its plugin directory.
pub fn check(config: &Config) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(report(config))
}

async fn report(config: &Config) -> anyhow::Result<Report> {
    let host = Arc::new(PluginHost::new(plugin_limits(config), None)?);
    let plugins = as_active(&host, config).await?;
    let refused = plugins.refused().map(|(path, why)| format!("{}: the plugin is refused: {why}", path.display()));
    let meters = Meters::default();
    let mut report = Report { mistakes: refused.collect(), ..Report::default() };
    for (_, destination) in config.destinations() {
        let place = format!("{}:{}: destination `{}`", config.path.display(), destination.line, destination.id);
        let Some(Chosen { stable: revision, .. }) = plugins.get(&destination.plugin) else {
            let known = plugins.ids().join(", ");
            let directory = config.plugin_directory.display();
            report.warnings.push(format!(
                "{place}: the plugin `{}` is not in {directory} (there: {known}); its events wait until it is",
                destination.plugin
            ));
            continue;
        };
        if let Err(error) = guest(&host, revision, destination, &HandleKey::fixed(), &meters) {
            report.mistakes.push(format!("{place}: {error:#}"));
        }
        for host in missing_grants(destination, revision.manifest()) {
            report.warnings.push(format!(
                "{place}: the plugin names the host {host}: requests there are refused until allowed_hosts has it"
            ));
        }
    }
    Ok(report)
}
