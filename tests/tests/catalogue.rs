//! The catalogue of integrations that people read is what the manifests say today.

use switchyard_tests::{catalogue, paths};

#[test]
fn the_catalogue_is_what_the_manifests_give() {
    let folders = catalogue::folders().expect("plugins/ is there");
    let wanted = catalogue::page(&folders).expect("the manifests are good");
    let found = std::fs::read_to_string(catalogue::file()).unwrap_or_default();
    let other = wanted.lines().zip(found.lines()).find(|(wanted, found)| wanted != found);
    assert!(
        wanted == found,
        "{} is not what plugins/*/plugin.toml give: run `{}`. The first other line: {other:?}",
        catalogue::file().display(),
        catalogue::COMMAND
    );
}

#[test]
fn whatever_the_order_of_the_folders_the_page_is_the_same() {
    let mut folders = catalogue::folders().expect("plugins/ is there");
    let wanted = catalogue::page(&folders).expect("the manifests are good");
    folders.reverse();
    assert_eq!(catalogue::page(&folders).expect("the manifests are good"), wanted);
}

#[test]
fn each_integration_has_the_readme_that_the_catalogue_links() {
    for folder in catalogue::folders().expect("plugins/ is there") {
        let id = folder.file_name().expect("a folder has a name").to_string_lossy().into_owned();
        let link = format!("(../../plugins/{id}/README.md)");
        let page = catalogue::page(std::slice::from_ref(&folder)).expect("the manifest is good");
        assert!(page.contains(&link), "{link} is not in\n{page}");
        assert!(paths::root().join("host/docs").join(link.trim_matches(['(', ')'])).is_file(), "{link} leads nowhere");
    }
}
