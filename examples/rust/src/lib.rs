//! Posts each event as JSON.
use switchyard_sdk::prelude::*;

#[derive(Deserialize, Settings)]
struct Settings {
    url: String,
}

fn plan(settings: &Settings, batch: &Batch, plan: &mut Plan) {
    for event in batch.iter() {
        plan.post(&settings.url).json_event(&event);
    }
}

switchyard_sdk::destination! { settings: Settings, plan: plan }
