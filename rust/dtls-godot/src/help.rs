//! The pages that gdext makes of the comments on the classes, and gives to the editor for its help. The
//! engine does not give them out, so this test writes them for `cargo xtask reference`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use godot::obj::GodotClass;

use crate::crypto::DtlsCrypto;
use crate::engine::names;
use crate::gdext_private::help;
use crate::options::DtlsOptions;
use crate::peer::PacketPeerDtls;
use crate::server::DtlsServer;

/// Where they are to be written.
const FOLDER: &str = "DTLS_HELP";

#[test]
fn every_class_has_a_page() {
    let classes = [
        DtlsCrypto::class_id(),
        DtlsOptions::class_id(),
        DtlsServer::class_id(),
        PacketPeerDtls::class_id(),
    ];
    let mut pages: BTreeMap<String, String> = BTreeMap::new();
    for xml in help::pages() {
        let name = xml.split("<class name=\"").nth(1).and_then(|rest| rest.split('"').next());
        let brief = xml.split("<brief_description>").nth(1).unwrap_or_default();
        assert!(!brief.trim_start().starts_with('<'), "{name:?} is described");
        pages.insert(name.expect("every page is one of a class").to_owned(), xml);
    }
    let names: Vec<&str> = pages.keys().map(String::as_str).collect();
    let mut expected = classes.map(|class| class.to_string());
    expected.sort();
    assert_eq!(names, expected);
    assert!([names::SERVER, names::PEER].iter().all(|name| names.contains(name)));
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    for (name, xml) in pages {
        fs::write(Path::new(&folder).join(name + ".xml"), xml)
            .expect("the folder can be written to");
    }
}
