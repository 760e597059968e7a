//! The seccomp filter as programs meet it: 64-bit and 32-bit calls, unknown numbers, profiles of the user's.

mod common;

use common::TestEnv;
use std::os::unix::fs::PermissionsExt;

const EPERM: i32 = 1;
const ENOSYS: i32 = 38;
const EBADF: i32 = 9;

/// A program of a few bytes that makes one system call with -1 as its only argument and exits with the errno.
#[cfg(target_arch = "x86_64")]
fn program(number: u32, bits32: bool) -> Vec<u8> {
    let n = number.to_le_bytes();
    let code: Vec<u8> = if bits32 {
        // mov eax,N; mov ebx,-1; xor ecx,ecx; xor edx,edx; int 0x80; neg eax; mov ebx,eax; mov eax,1; int 0x80
        [
            &[0xb8][..],
            &n,
            &[0xbb, 255, 255, 255, 255, 0x31, 0xc9, 0x31, 0xd2, 0xcd, 0x80, 0xf7, 0xd8, 0x89, 0xc3],
            &[0xb8, 1, 0, 0, 0, 0xcd, 0x80],
        ]
        .concat()
    } else {
        // mov eax,N; mov edi,-1; xor esi,esi; xor edx,edx; syscall; neg eax; mov edi,eax; mov eax,60; syscall
        [
            &[0xb8][..],
            &n,
            &[0xbf, 255, 255, 255, 255, 0x31, 0xf6, 0x31, 0xd2, 0x0f, 0x05, 0xf7, 0xd8, 0x89, 0xc7],
            &[0xb8, 60, 0, 0, 0, 0x0f, 0x05],
        ]
        .concat()
    };
    let (class, machine, header, segment) = if bits32 { (1u8, 3u16, 52usize, 32usize) } else { (2, 62, 64, 56) };
    let base = 0x40_0000usize;
    let size = header + segment + code.len();
    let entry = base + header + segment;
    let mut elf = vec![0x7f, b'E', b'L', b'F', class, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let half = |elf: &mut Vec<u8>, v: u16| elf.extend(v.to_le_bytes());
    let word = |elf: &mut Vec<u8>, v: usize| {
        if bits32 { elf.extend((v as u32).to_le_bytes()) } else { elf.extend((v as u64).to_le_bytes()) }
    };
    half(&mut elf, 2);
    half(&mut elf, machine);
    elf.extend(1u32.to_le_bytes());
    word(&mut elf, entry);
    word(&mut elf, header);
    word(&mut elf, 0);
    elf.extend(0u32.to_le_bytes());
    for v in [header as u16, segment as u16, 1, 0, 0, 0] {
        half(&mut elf, v);
    }
    elf.extend(1u32.to_le_bytes());
    if bits32 {
        for v in [0, base, base, size, size, 5, 0x1000] {
            word(&mut elf, v);
        }
    } else {
        elf.extend(5u32.to_le_bytes());
        for v in [0, base, base, size, size, 0x1000] {
            word(&mut elf, v);
        }
    }
    assert_eq!(elf.len(), header + segment);
    elf.extend(code);
    elf
}

/// Runs the program in a container; its exit code is the errno.
#[cfg(target_arch = "x86_64")]
fn errno(env: &TestEnv, flags: &str, number: u32, bits32: bool) -> i32 {
    let path = env.file("call", program(number, bits32));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    env.sh(&format!("run --rm --network none {flags} -v ./call:/call:ro --entrypoint /call hello")).code
}

#[test]
#[cfg(target_arch = "x86_64")]
fn calls_of_64_bit_programs() {
    let env = TestEnv::new();
    let is = |flags: &str, number: u32, want: i32| {
        assert_eq!(errno(&env, flags, number, false), want, "call {number} with '{flags}'");
    };
    is("", 3, EBADF); // close(-1) gets through
    is("", 165, EPERM); // mount
    is("", 272, EPERM); // unshare
    is("", 321, EPERM); // bpf
    is("", 425, EPERM); // io_uring_setup
    is("", 435, ENOSYS); // clone3
    is("", 2000, ENOSYS); // newer than everything
    is("", 0x4000_0003, ENOSYS); // close of x32
    is("--security-opt seccomp=unconfined", 272, 22); // unshare(-1): EINVAL, so the kernel saw it
    is("--cap-add SYS_ADMIN", 272, 22);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn calls_of_32_bit_programs() {
    let env = TestEnv::new();
    let path = env.file("probe", program(6, true));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    if std::process::Command::new(&path).status().ok().and_then(|s| s.code()) != Some(EBADF) {
        skip!("this kernel runs no 32-bit programs");
    }
    let is = |number: u32, want: i32| assert_eq!(errno(&env, "", number, true), want, "32-bit call {number}");
    is(6, EBADF); // close(-1)
    is(21, EPERM); // mount
    is(310, EPERM); // unshare
    is(357, EPERM); // bpf
    is(435, ENOSYS); // clone3
    is(2000, ENOSYS);
}

#[test]
fn profiles_of_the_users() {
    let env = busybox_env!();
    env.file(
        "deny.json",
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}]}"#,
    );
    let out = env.sh("run --rm --security-opt seccomp=deny.json busybox mkdir /x").code(1);
    assert!(out.stderr.contains("Permission denied"), "{out}");
    env.sh("run --rm --security-opt seccomp=./deny.json busybox touch /x").success();
    env.sh("run --rm --security-opt seccomp=unconfined busybox mkdir /x").success();
    env.file("broken.json", "{");
    env.sh("run --security-opt seccomp=broken.json busybox true").fails(125, &["seccomp profile"]);
    env.file("odd.json", r#"{"defaultAction": "SCMP_ACT_NOSUCH"}"#);
    env.sh("run --security-opt seccomp=odd.json busybox true").fails(125, &["SCMP_ACT_NOSUCH"]);
    assert_eq!(env.containers(), [""; 0]);
}

#[test]
fn dockers_own_profile_file_works() {
    let Some(text) = ["/usr/share/containers/seccomp.json", "/etc/containers/seccomp.json"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok())
    else {
        skip!("no seccomp.json is installed");
    };
    let env = busybox_env!();
    env.file("p.json", text);
    env.sh("run --rm --security-opt seccomp=p.json busybox sh -c 'ls / | wc -l && ! unshare -m true 2>/dev/null'")
        .success();
}
