//! An object argument with null as its default.

use std::fmt;

use godot::meta::conv::ByValue;
use godot::meta::error::ConvertError;
use godot::meta::shape::GodotShape;
use godot::meta::{FromGodot, GodotConvert, GodotImmutable, ToGodot};
use godot::obj::{Gd, GodotClass};

/// An object argument that may be left out.
pub(crate) struct Optional<T: GodotClass>(pub(crate) Option<Gd<T>>);

impl<T: GodotClass> fmt::Debug for Optional<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: GodotClass> Clone for Optional<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: GodotClass> GodotConvert for Optional<T> {
    type Via = Option<Gd<T>>;

    fn godot_shape() -> GodotShape {
        Self::Via::godot_shape()
    }
}

impl<T: GodotClass> ToGodot for Optional<T> {
    type Pass = ByValue;

    fn to_godot(&self) -> Self::Via {
        self.0.clone()
    }
}

impl<T: GodotClass> FromGodot for Optional<T> {
    fn try_from_godot(via: Self::Via) -> Result<Self, ConvertError> {
        Ok(Self(via))
    }
}

// SAFETY: the only default that is ever made of it is null, which nothing can change.
unsafe impl<T: GodotClass> GodotImmutable for Optional<T> {}
