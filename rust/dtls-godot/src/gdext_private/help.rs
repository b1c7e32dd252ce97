//! Parts of a class's page in the editor's help, for what gdext's own macros do not see.

/// Adds XML to the page of a class, each part a constant expression.
macro_rules! add_help {
    ($class:ident, methods: $methods:expr, constants: $constants:expr) => {
        godot::sys::shard_add!(
            godot::private::__GODOT_DOCS_REGISTRY;
            godot::private::DocsShard::new::<$class>(godot::private::DocsItem::InherentImpl(
                godot::private::InherentImplDocs {
                    methods_xml: $methods,
                    signals_xml: "",
                    constants_xml: $constants,
                }
            ))
        );
    };
}

pub(crate) use add_help;

/// The pages of all classes, as XML.
#[cfg(any(test, feature = "documented-names"))]
pub(crate) fn pages() -> impl Iterator<Item = String> {
    godot::docs::__gather_xml_docs().map(|xml| crate::engine::names::in_text(&xml))
}

/// Gives the editor the pages again, now with the names that this build has: what gdext gives are the comments
/// as they are.
#[cfg(feature = "documented-names")]
pub(crate) fn register() {
    for xml in pages() {
        // SAFETY: as gdext does, while the editor's part of the extension is set up: the engine reads so many
        // bytes of UTF-8, and keeps none.
        unsafe {
            godot::sys::interface_fn!(editor_help_load_xml_from_utf8_chars_and_len)(
                xml.as_ptr().cast(),
                xml.len() as i64,
            );
        }
    }
}
