//! What a track becomes: an event, or what its name says that it does.

use switchyard_sdk::name;
use switchyard_sdk::prelude::*;

use crate::device::{self, Device};
use crate::identity::Who;
use crate::item::Items;
use crate::rules::{COMMANDS, Command};
use crate::settings::{Commands, CustomerIo, DeviceCalls, SendTraits};
use crate::{events, object, person};

/// Writes the items of a track.
///
/// # Errors
/// Names the field for which it cannot be sent.
pub fn write_track(
    customer_io: &CustomerIo,
    event: &Event<'_>,
    now_ms: u64,
    items: &mut Items<'_>,
) -> Result<(), Refusal> {
    match command(customer_io, event) {
        None => write_event(customer_io, event, now_ms, items),
        Some(Command::Report) => {
            Err(Refusal::Skip("event: tells what became of a message, which is not sent to this address"))
        }
        Some(Command::DeleteObject) => object::write_delete(customer_io, event, items),
        Some(command) if command.is_of_device() => write_device(customer_io, event, now_ms, command, items),
        Some(command) => {
            let person = known(customer_io, event)?;
            let too_large = "userId: is too long";
            let about_person = |action, items: &mut Items<'_>| {
                items.add("person", action, too_large, |item| item.identifiers(&person))
            };
            match command {
                Command::Suppress => about_person("suppress", items),
                Command::Unsuppress => about_person("unsuppress", items),
                Command::DeleteRelationship => object::write_delete_relationship(customer_io, event, &person, items),
                _ => about_person("delete", items),
            }
        }
    }
}

/// Writes the item of what somebody did, behind one of what is known of them where the settings want it.
///
/// # Errors
/// Names the field for which it cannot be sent.
pub fn write_event(
    customer_io: &CustomerIo,
    event: &Event<'_>,
    now_ms: u64,
    items: &mut Items<'_>,
) -> Result<(), Refusal> {
    let who = Who::of(customer_io, event)?;
    if customer_io.send_traits == SendTraits::Always {
        person::write_traits(customer_io, event, now_ms, &who, items)?;
    }
    events::write(customer_io, event, now_ms, &who, items)
}

/// What a track does by its name.
fn command(customer_io: &CustomerIo, event: &Event<'_>) -> Option<Command> {
    let title = event.event_name().as_str()?;
    let is_device_event = customer_io.device_event.as_ref().is_some_and(|own| name::same(own, &title));
    let command = if is_device_event { Some(Command::AppUsed) } else { name::lookup(COMMANDS, &title).copied() }?;
    let is_wanted = match customer_io.commands {
        Commands::All => true,
        Commands::Devices => command.is_of_device() || command == Command::Report,
        Commands::None => is_device_event,
    };
    is_wanted.then_some(command)
}

/// Writes the items of a track about a device. One of an app is an event where there is no person, or no
/// device to be told.
fn write_device(
    customer_io: &CustomerIo,
    event: &Event<'_>,
    now_ms: u64,
    command: Command,
    items: &mut Items<'_>,
) -> Result<(), Refusal> {
    let person = known(customer_io, event);
    let written = match command {
        Command::AppUsed | Command::AddDevice => {
            person.and_then(|person| device::write_add(event, now_ms, &person, &Device::of(event)?, items))
        }
        _ => person.and_then(|person| device::write_delete(&person, device::token(event)?, items)),
    };
    let may_be_event = matches!(command, Command::AppUsed | Command::AppRemoved);
    match written {
        Err(_) if may_be_event => write_event(customer_io, event, now_ms, items),
        Ok(()) if customer_io.device_calls == DeviceCalls::DeviceAndEvent => {
            write_event(customer_io, event, now_ms, items)
        }
        written => written,
    }
}

/// The person of an event that cannot be about a visitor.
fn known<'a>(customer_io: &CustomerIo, event: &Event<'a>) -> Result<Who<'a>, Refusal> {
    Who::person(customer_io, event)?.ok_or(Refusal::Reject("userId: is missing"))
}
