//! What a library may need from a user's machine, and what it may show to the engine.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{Context, Result, bail, ensure};
use object::elf::{self, FileHeader64};
use object::endian::LittleEndian;
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader, SectionHeader};
use object::read::macho::{FatArch, MachOFatFile32};
use object::{Architecture, Object, ObjectSection};

use super::Target;
use super::target::GLIBC;

/// The most that a library for Linux may have, in bytes. What the others come to, nobody has measured: they
/// have all of OpenSSL.
const LARGEST: usize = 6_000_000;

/// The one function that the engine calls, as `entry_symbol` in the manifest. In Mach-O, C's names begin
/// with an underscore.
const ENTRY: [&str; 2] = ["gdext_rust_init", "_gdext_rust_init"];

/// gdext's own on Linux: what would keep a library from being unloaded goes through it.
const OF_GDEXT: &str = "__cxa_thread_atexit_impl";

/// In what OpenSSL's authors have written for one processor. A build without has nothing of it.
const ASSEMBLY: &[u8] = b"CRYPTOGAMS by";

/// What an Android device may have its pages in, in bytes.
const ANDROID_PAGE: u64 = 16 * 1024;

/// What was found.
#[derive(Debug)]
pub(super) struct Summary {
    needs: BTreeSet<String>,
    glibc: Option<(u16, u16)>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needs: Vec<&str> = self.needs.iter().map(String::as_str).collect();
        write!(f, "needs {}", needs.join(", "))?;
        if let Some((major, minor)) = self.glibc {
            write!(f, " (symbols up to GLIBC_{major}.{minor})")?;
        }
        Ok(())
    }
}

/// Looks at a library; an error says why it cannot be shipped.
pub(super) fn library(target: Target, bytes: &[u8]) -> Result<Summary> {
    let is_small = bytes.len() <= LARGEST || target.parts().0 != "linux";
    ensure!(is_small, "it has {} bytes; {LARGEST} is the most", bytes.len());
    let has_assembly = bytes.windows(ASSEMBLY.len()).any(|window| window == ASSEMBLY);
    ensure!(has_assembly, "OpenSSL was built without its assembly");
    let summary = match target {
        Target::LinuxX86_64 | Target::LinuxArm64 | Target::AndroidArm64 | Target::AndroidX86_64 => {
            elf(target, bytes)?
        }
        Target::WindowsX86_64 => of_file(&object::File::parse(bytes)?, &[Architecture::X86_64])?,
        Target::MacosUniversal => macos(bytes)?,
    };
    for name in &summary.needs {
        ensure!(is_part_of_the_system(target, name), "it needs {name}, which a user may not have");
    }
    Ok(summary)
}

/// What the target's system always has.
fn is_part_of_the_system(target: Target, library: &str) -> bool {
    const GNU: [&str; 8] = [
        "ld-linux-aarch64.so.1",
        "ld-linux-x86-64.so.2",
        "libc.so.6",
        "libdl.so.2",
        "libgcc_s.so.1",
        "libm.so.6",
        "libpthread.so.0",
        "librt.so.1",
    ];
    const ANDROID: [&str; 4] = ["libc.so", "libdl.so", "liblog.so", "libm.so"];
    const WINDOWS: [&str; 9] = [
        "advapi32.dll",
        "bcrypt.dll",
        "bcryptprimitives.dll",
        "crypt32.dll",
        "kernel32.dll",
        "ntdll.dll",
        "user32.dll",
        "userenv.dll",
        "ws2_32.dll",
    ];
    match target.parts().0 {
        "linux" => GNU.contains(&library),
        "android" => ANDROID.contains(&library),
        "windows" => {
            let library = library.to_ascii_lowercase();
            WINDOWS.contains(&library.as_str()) || library.starts_with("api-ms-win-core-")
        }
        _ => library.starts_with("/usr/lib/") || library.starts_with("/System/Library/"),
    }
}

fn elf(target: Target, bytes: &[u8]) -> Result<Summary> {
    let file = ElfFile64::<LittleEndian>::parse(bytes)?;
    let debugging = file.sections().find(|section| {
        section.name().is_ok_and(|name| name == ".symtab" || name.starts_with(".debug"))
    });
    if let Some(section) = debugging {
        bail!("it is not stripped: it has a section {}", section.name()?);
    }
    let architecture = match target.parts().1 {
        "arm64" => Architecture::Aarch64,
        _ => Architecture::X86_64,
    };
    let mut summary = of_file(&object::File::Elf64(ElfFile64::parse(bytes)?), &[architecture])?;
    match target.parts().0 {
        "android" => {
            for segment in file.elf_program_headers() {
                let align = segment.p_align(LittleEndian);
                let is_loaded = segment.p_type(LittleEndian) == elf::PT_LOAD;
                ensure!(!is_loaded || align >= ANDROID_PAGE, "it is aligned to {align} bytes only");
            }
        }
        _ => {
            let newest = newest_glibc(bytes)?.context("it needs no version of glibc at all")?;
            ensure!(newest <= GLIBC, "it needs glibc {}.{}", newest.0, newest.1);
            summary.glibc = Some(newest);
        }
    }
    Ok(summary)
}

/// The highest `GLIBC_` version of a symbol that it takes from somewhere else.
fn newest_glibc(bytes: &[u8]) -> Result<Option<(u16, u16)>> {
    let header = FileHeader64::<LittleEndian>::parse(bytes)?;
    let sections = header.sections(LittleEndian, bytes)?;
    let mut newest = None;
    for section in sections.iter() {
        let Some((mut needs, link)) = section.gnu_verneed(LittleEndian, bytes)? else { continue };
        let strings = sections.strings(LittleEndian, bytes, link)?;
        while let Some((_, mut versions)) = needs.next()? {
            while let Some(version) = versions.next()? {
                let name = version.name(LittleEndian, strings)?;
                newest = newest.max(glibc_version(&String::from_utf8_lossy(name)));
            }
        }
    }
    Ok(newest)
}

/// `GLIBC_2.28`, or `GLIBC_2.2.5`, whose last number never decides.
fn glibc_version(name: &str) -> Option<(u16, u16)> {
    let mut numbers = name.strip_prefix("GLIBC_")?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn macos(bytes: &[u8]) -> Result<Summary> {
    let fat = MachOFatFile32::parse(bytes).context("it is for one processor only")?;
    let mut wanted = vec![Architecture::Aarch64, Architecture::X86_64];
    let mut summary: Option<Summary> = None;
    for arch in fat.arches() {
        let file = object::File::parse(arch.data(bytes)?)?;
        let of_arch = of_file(&file, &wanted)?;
        wanted.retain(|architecture| *architecture != file.architecture());
        match &mut summary {
            Some(summary) => summary.needs.extend(of_arch.needs),
            None => summary = Some(of_arch),
        }
    }
    ensure!(wanted.is_empty(), "it is not for {wanted:?}");
    summary.context("it is for no processor")
}

/// What every format has: whom it is for, what it takes from libraries, by their names, and what it shows.
fn of_file(file: &object::File<'_>, wanted: &[Architecture]) -> Result<Summary> {
    let architecture = file.architecture();
    ensure!(wanted.contains(&architecture), "it is for {architecture:?}, not for {wanted:?}");
    let mut exports = BTreeSet::new();
    for export in file.exports()? {
        let export = export?;
        let name = export.name();
        let name = name.name().context("it shows something without a name")?;
        exports.insert(String::from_utf8_lossy(name).into_owned());
    }
    exports.remove(OF_GDEXT);
    let is_entry = |name: &String| ENTRY.contains(&name.as_str());
    ensure!(
        exports.len() == 1 && exports.iter().all(is_entry),
        "it shows {exports:?}, and not {} alone",
        ENTRY[0]
    );
    let mut needs = BTreeSet::new();
    for library in file.import_libraries()? {
        needs.insert(String::from_utf8_lossy(library?.name()).into_owned());
    }
    Ok(Summary { needs, glibc: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(glibc_version("GLIBC_2.2.5"), Some((2, 2)));
        assert_eq!(glibc_version("GLIBC_2.28"), Some((2, 28)));
        assert!(glibc_version("GLIBC_2.4") < glibc_version("GLIBC_2.28"));
        assert_eq!(glibc_version("GCC_3.3"), None);
    }

    #[test]
    fn a_library_that_a_user_may_not_have_is_none_of_the_system() {
        assert!(is_part_of_the_system(Target::LinuxX86_64, "libc.so.6"));
        assert!(!is_part_of_the_system(Target::LinuxX86_64, "libssl.so.3"));
        assert!(is_part_of_the_system(Target::WindowsX86_64, "KERNEL32.dll"));
        assert!(!is_part_of_the_system(Target::WindowsX86_64, "VCRUNTIME140.dll"));
        assert!(!is_part_of_the_system(Target::MacosUniversal, "/opt/homebrew/lib/libssl.dylib"));
    }

    /// The very program that runs this test is one that a user could not do with.
    #[test]
    fn what_is_no_library_of_ours_is_refused() {
        let program = std::env::current_exe().expect("it runs");
        let bytes = std::fs::read(program).expect("it can be read");
        assert!(library(Target::LinuxX86_64, &bytes).is_err());
        assert!(library(Target::LinuxX86_64, ASSEMBLY).is_err());
    }
}
