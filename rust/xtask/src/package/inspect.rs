//! What a library may need from a user's machine, and what it may show to the engine.

use anyhow::{Context, Result, ensure};
use object::elf::{self, FileHeader64};
use object::endian::LittleEndian;
use object::macho::{self, MachHeader64};
use object::pe;
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader, SectionHeader};
use object::read::macho::{CodeSignature, FatArch, LoadCommandVariant, MachHeader, MachOFatFile32};
use object::read::pe::{ImageNtHeaders, ImageOptionalHeader, PeFile64};
use object::{Architecture, Object, ObjectSection};
use sha2::{Digest, Sha256};

use super::{Kind, Target};
use crate::zig::{GLIBC, MACOS};

/// The most that a library for one processor may have, in bytes; on Windows a tenth more, for the tables by which
/// its stack is unwound.
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

/// Looks at a library; returns what it needs, or an error that says why it cannot be shipped.
pub(super) fn library(target: Target, bytes: &[u8]) -> Result<Vec<String>> {
    let most = match target.system {
        // The platform's own compilers build all of OpenSSL.
        _ if cfg!(any(windows, target_os = "macos")) => usize::MAX,
        "windows" => LARGEST + LARGEST / 10,
        "macos" => LARGEST * target.triples.len(),
        _ => LARGEST,
    };
    ensure!(bytes.len() <= most, "it has {} bytes; {most} is the most", bytes.len());
    let has_assembly = bytes.windows(ASSEMBLY.len()).any(|window| window == ASSEMBLY);
    ensure!(has_assembly, "OpenSSL was built without its assembly");
    let needs = match target.system {
        "windows" => windows(target, bytes)?,
        "macos" => macos(target, bytes)?,
        _ => elf(target, bytes)?,
    };
    let is_there = |name: &&String| is_part_of_the_system(target.system, name);
    let missing: Vec<_> = needs.iter().filter(|name| !is_there(name)).collect();
    ensure!(missing.is_empty(), "it needs {missing:?}, which a user may not have");
    Ok(needs)
}

impl Target {
    fn processor(self) -> Architecture {
        if self.architecture == "arm64" { Architecture::Aarch64 } else { Architecture::X86_64 }
    }
}

/// What a system always has.
fn is_part_of_the_system(system: &str, library: &str) -> bool {
    let library = &if system == "windows" { library.to_lowercase() } else { library.to_owned() };
    const GNU: &str = "ld-linux-aarch64.so.1 ld-linux-x86-64.so.2 libc.so.6 libdl.so.2 libgcc_s.so.1 libm.so.6 \
        libpthread.so.0 librt.so.1";
    const ANDROID: &str = "libc.so libdl.so liblog.so libm.so";
    const WINDOWS: &str = "advapi32.dll bcrypt.dll bcryptprimitives.dll crypt32.dll kernel32.dll ntdll.dll \
        user32.dll userenv.dll ws2_32.dll";
    let is_of = |names: &str| names.split(' ').any(|name| name == library);
    match system {
        "linux" => is_of(GNU),
        "android" => is_of(ANDROID),
        // The C runtime is a part of Windows 10.
        "windows" => {
            let is_set = |set: &str| library.starts_with(&format!("api-ms-win-{set}-"));
            is_of(WINDOWS) || is_set("core") || is_set("crt")
        }
        _ => library.starts_with("/usr/lib/") || library.starts_with("/System/Library/"),
    }
}

fn windows(target: Target, bytes: &[u8]) -> Result<Vec<String>> {
    let file = PeFile64::parse(bytes)?;
    let flags = file.nt_headers().optional_header().dll_characteristics();
    for (flag, what) in [
        (pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE, "a random address"),
        (pe::IMAGE_DLLCHARACTERISTICS_HIGH_ENTROPY_VA, "a random address of 64 bits"),
        (pe::IMAGE_DLLCHARACTERISTICS_NX_COMPAT, "data that is never run"),
    ] {
        ensure!(flags & flag == flag, "it is linked without {what}");
    }
    of_file(&object::File::parse(bytes)?, &[target.processor()])
}

fn elf(target: Target, bytes: &[u8]) -> Result<Vec<String>> {
    let file = ElfFile64::<LittleEndian>::parse(bytes)?;
    for section in file.sections() {
        let name = section.name()?;
        let is_for_debugging = name == ".symtab" || name.starts_with(".debug");
        ensure!(!is_for_debugging, "it is not stripped: it has a section {name}");
    }
    if target.system == "android" {
        for segment in file.elf_program_headers() {
            let align = segment.p_align(LittleEndian);
            let is_loaded = segment.p_type(LittleEndian) == elf::PT_LOAD;
            ensure!(!is_loaded || align >= ANDROID_PAGE, "it is aligned to {align} bytes only");
        }
    } else {
        let newest = newest_glibc(bytes)?.context("it needs no version of glibc at all")?;
        ensure!(newest <= GLIBC, "it needs glibc {}.{}", newest.0, newest.1);
    }
    of_file(&object::File::parse(bytes)?, &[target.processor()])
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

fn macos(target: Target, bytes: &[u8]) -> Result<Vec<String>> {
    let fat = MachOFatFile32::parse(bytes).context("it is for one processor only")?;
    let mut wanted = vec![Architecture::Aarch64, Architecture::X86_64];
    let mut needs = Vec::new();
    for arch in fat.arches() {
        let part = arch.data(bytes)?;
        let file = object::File::parse(part)?;
        needs.extend(of_file(&file, &wanted)?);
        wanted.retain(|architecture| *architecture != file.architecture());
        of_part(target, part).with_context(|| format!("for {:?}", file.architecture()))?;
    }
    ensure!(wanted.is_empty(), "it is not for {wanted:?}");
    needs.sort();
    needs.dedup();
    Ok(needs)
}

/// What a library for macOS has once for each processor.
fn of_part(target: Target, bytes: &[u8]) -> Result<()> {
    let (mut name, mut oldest, mut signature) = (String::new(), None, None);
    let header = MachHeader64::<LittleEndian>::parse(bytes, 0)?;
    for command in header.load_commands(LittleEndian, bytes, 0)? {
        let command = command?;
        match command.variant()? {
            LoadCommandVariant::IdDylib(id) => {
                let bytes = command.string(LittleEndian, id.dylib.name)?;
                name = String::from_utf8_lossy(bytes).into_owned();
            }
            LoadCommandVariant::BuildVersion(build, _) => oldest = Some(build.minos),
            LoadCommandVariant::VersionMin(least) => oldest = Some(least.version),
            LoadCommandVariant::LinkeditData(it) if command.cmd() == macho::LC_CODE_SIGNATURE => {
                signature = Some([it.dataoff, it.datasize].map(|it| it.get(LittleEndian) as usize));
            }
            _ => {}
        }
    }
    let is_ours = Kind::ALL.iter().any(|kind| name == format!("@rpath/{}", target.file(*kind)));
    ensure!(is_ours, "it calls itself {name:?}");
    // 11.0 is 11 in the upper half, and 0 in each byte of the lower one.
    let oldest = oldest.context("it does not say for which macOS it is")?.get(LittleEndian).0;
    let oldest = format!("{}.{}", oldest >> 16, oldest >> 8 & 0xff);
    ensure!(oldest == MACOS, "it is for macOS {oldest} and newer, not for {MACOS}");
    let [start, size] = signature.context("it is not signed, and macOS would not load it")?;
    ensure!(start + size == bytes.len(), "its signature is not at its end");
    is_as_signed(bytes, start)
}

/// Looks whether each page is what was signed: macOS ends an engine that reads another. The signature is at `end`.
fn is_as_signed(bytes: &[u8], end: usize) -> Result<()> {
    let mut blobs = CodeSignature::parse(&bytes[end..])?.blobs();
    let directory = blobs.find_map(|blob| blob.and_then(|it| it.code_directory()).transpose());
    let directory = directory.context("its signature lists no pages")??;
    ensure!(directory.code_limit() == end as u64, "not all of it is signed");
    let pages = bytes[..end].chunks(1 << directory.header().page_size);
    for (index, page) in (0..).zip(pages) {
        let is_right = directory.code_hash(index)? == &Sha256::digest(page)[..];
        ensure!(is_right, "page {index} is not what was signed");
    }
    Ok(())
}

/// What every format has: whom it is for, what it takes from libraries, by their names, and what it shows.
fn of_file(file: &object::File<'_>, wanted: &[Architecture]) -> Result<Vec<String>> {
    let architecture = file.architecture();
    ensure!(wanted.contains(&architecture), "it is for {architecture:?}, not for {wanted:?}");
    let mut exports = Vec::new();
    for export in file.exports()? {
        let export = export?;
        let name = export.name();
        let name = name.name().context("it shows something without a name")?;
        exports.push(String::from_utf8_lossy(name).into_owned());
    }
    exports.retain(|name| name != OF_GDEXT);
    let is_entry = exports.len() == 1 && ENTRY.contains(&exports[0].as_str());
    ensure!(is_entry, "it shows {exports:?}, and not {} alone", ENTRY[0]);
    let libraries = file.import_libraries()?;
    libraries.map(|it| Ok(String::from_utf8_lossy(it?.name()).into_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_could_not_load_is_refused() {
        assert!(is_part_of_the_system("linux", "libc.so.6"));
        assert!(!is_part_of_the_system("linux", "libssl.so.3"));
        assert!(is_part_of_the_system("windows", "KERNEL32.dll"));
        assert!(!is_part_of_the_system("windows", "VCRUNTIME140.dll"));
        // The very program that runs this test is no library of ours.
        let program = std::env::current_exe().expect("it runs");
        let bytes = std::fs::read(program).expect("it can be read");
        assert!(library(Target::LINUX_X86_64, &bytes).is_err());
    }

    #[test]
    fn what_was_changed_after_it_was_signed_is_refused() {
        const END: usize = 5000;
        let pages = [7; END];
        // A signature with one part, the list of pages, in their order in Apple's cs_blobs.h.
        let list = [0xfade_0c02, 44 + 64, 0x2_0000, 2, 44, 0, 0, 2, END as u32, 0x2002_000c, 0];
        let numbers = [&[0xfade_0cc0, 20 + 44 + 64, 1, 0, 20], &list[..]].concat();
        let mut bytes = pages.to_vec();
        bytes.extend(numbers.into_iter().flat_map(u32::to_be_bytes));
        bytes.extend(pages.chunks(4096).flat_map(Sha256::digest));
        is_as_signed(&bytes, END).expect("it is as it was signed");
        for at in [0, END - 1, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(is_as_signed(&changed, END).is_err(), "byte {at}");
        }
    }
}
