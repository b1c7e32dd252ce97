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
#[cfg(test)]
pub(crate) fn pages() -> impl Iterator<Item = String> {
    godot::docs::__gather_xml_docs()
}
