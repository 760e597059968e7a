//! Containers on a real terminal: job control, signals from keys, size, detaching, full-screen programs.

mod common;

use common::pty::Pty;
use common::{TestEnv, eventually};

fn shell(env: &TestEnv) -> Pty {
    let mut pty = Pty::spawn(env.command(["run", "-it", "--rm", "--name", "t", "-e", "PS1=> ", "busybox", "sh"]));
    pty.expect("> ");
    pty
}

#[test]
fn a_shell_knows_its_terminal_and_its_size() {
    let env = busybox_env!();
    let mut pty = shell(&env);
    pty.line("stty size; tty; test -t 0 && test -t 1 && test -t 2 && echo all-$((1+1))");
    pty.expect("24 80");
    pty.expect("/dev/");
    pty.expect("all-2");
    pty.resize(50, 132);
    pty.line("sleep 0.3; stty size");
    pty.expect("50 132");
    pty.line("exit 7");
    assert_eq!(pty.end().0, 7);
}

#[test]
fn the_size_is_there_from_the_first_moment() {
    let env = busybox_env!();
    let pty = Pty::sized(env.command(["run", "-it", "--rm", "busybox", "stty", "size"]), 33, 111);
    let (code, screen) = pty.end();
    assert_eq!((code, screen.as_str()), (0, "33 111\r\n"));
}

#[test]
fn ctrl_c_interrupts_the_program_and_not_the_shell() {
    let env = busybox_env!();
    let mut pty = shell(&env);
    pty.line("sleep 1000");
    std::thread::sleep(std::time::Duration::from_millis(300));
    pty.send("\x03");
    pty.expect("> ");
    pty.line("echo code $?");
    pty.expect("code 130");
    pty.line("cat");
    std::thread::sleep(std::time::Duration::from_millis(300)); // the shell drops what is typed while it starts cat
    pty.line("echoed");
    pty.expect("echoed\r\nechoed");
    pty.send("\x04"); // Ctrl-D: end of file for cat
    pty.expect("> ");
    pty.send("\x04"); // and for the shell
    assert_eq!(pty.end().0, 0);
}

#[test]
fn ctrl_z_stops_a_job_and_fg_continues_it() {
    let env = busybox_env!();
    let mut pty = shell(&env);
    pty.line("sleep 1000");
    std::thread::sleep(std::time::Duration::from_millis(300));
    pty.send("\x1a");
    pty.expect("Stopped");
    pty.line("jobs");
    pty.expect("sleep 1000");
    pty.line("fg");
    pty.expect("sleep 1000");
    std::thread::sleep(std::time::Duration::from_millis(300));
    pty.send("\x03");
    pty.expect("> ");
    pty.line("exit 0");
    assert_eq!(pty.end().0, 0);
}

#[test]
fn the_callers_terminal_is_restored() {
    let env = busybox_env!();
    let base: Vec<_> = env.bare().get_args().map(|a| a.to_string_lossy().into_owned()).collect();
    let coracle = format!("{} {}", common::binary().display(), base.join(" "));
    let mut c = env.program("sh");
    let script =
        format!("stty -a > before; {coracle} run -it --rm busybox sh -c 'exit 3'; echo code $?; stty -a > after");
    c.args(["-c", &script]);
    let mut pty = Pty::spawn(c);
    pty.expect("code 3");
    pty.end();
    let read = |name| std::fs::read_to_string(env.path(name)).unwrap();
    assert_eq!(read("before"), read("after"));
}

#[test]
fn the_terminal_is_restored_when_the_client_is_terminated() {
    let env = busybox_env!();
    let base: Vec<_> = env.bare().get_args().map(|a| a.to_string_lossy().into_owned()).collect();
    let coracle = format!("{} {}", common::binary().display(), base.join(" "));
    let mut c = env.program("sh");
    let run = format!("{coracle} run -it --rm --name t --sig-proxy=false busybox sleep 1000");
    let script = format!("stty -a > before; {run} & echo $! > pid; wait; stty -a > after; echo over");
    c.args(["-c", &script.replace(" & echo $! > pid; wait;", ";")]);
    let mut pty = Pty::spawn(c);
    eventually("running", 20, || env.sh("inspect t --format {{.State.Running}}").stdout == "true\n");
    let clients = common::leaks::processes(&env.dir);
    let client = clients.iter().find(|(_, c)| c.contains("run -it") && !c.starts_with("sh ")).unwrap().0;
    let pid = rustix::process::Pid::from_raw(client).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    pty.expect("over");
    let read = |name| std::fs::read_to_string(env.path(name)).unwrap();
    assert_eq!(read("before"), read("after"));
}

#[test]
fn detach_keys_leave_the_container_running() {
    let env = busybox_env!();
    let mut pty = shell(&env);
    pty.line("x=kept; echo $x");
    pty.expect("kept\r\n");
    pty.send("\x10\x11"); // Ctrl-P Ctrl-Q
    let (code, _) = pty.end();
    assert_eq!(code, 0);
    assert_eq!(env.inspect("t")["State"]["Running"], true);
    let mut again = Pty::spawn(env.command(["attach", "--detach-keys", "ctrl-a,d", "t"]));
    again.line("echo again-$x");
    again.expect("again-kept");
    again.send("\x01d");
    assert_eq!(again.end().0, 0);
    assert_eq!(env.inspect("t")["State"]["Running"], true);
    env.sh("rm -f -t 0 t").success();
}

#[test]
fn exec_on_a_terminal() {
    let env = busybox_env!();
    env.start("--name c busybox sleep 1000");
    let mut pty = Pty::sized(env.command(["exec", "-it", "-e", "PS1=> ", "c", "sh"]), 40, 100);
    pty.expect("> ");
    pty.line("stty size; tty");
    pty.expect("40 100");
    pty.expect("/dev/pts/");
    pty.resize(20, 70);
    pty.line("sleep 0.3; stty size");
    pty.expect("20 70");
    pty.line("sleep 1000");
    std::thread::sleep(std::time::Duration::from_millis(300));
    pty.send("\x03");
    pty.expect("> ");
    pty.line("exit 5");
    assert_eq!(pty.end().0, 5);
}

#[test]
fn a_terminal_of_the_container_without_one_of_the_callers() {
    let env = busybox_env!();
    let out = env.sh("run --rm -t busybox sh -c 'test -t 1 && echo tty; echo err >&2'").success();
    assert_eq!(out.stdout, "tty\r\nerr\r\n", "{out}");
}

#[test]
fn a_full_screen_editor_in_debian() {
    let env = prepared_env!("debian.tar");
    let mut pty = Pty::spawn(env.command(["run", "-it", "--name", "v", "localhost/debian", "vi", "/root/note"]));
    pty.expect("note");
    pty.send("ihello from vi\x1b:wq\r");
    assert_eq!(pty.end().0, 0);
    env.sh("cp v:/root/note note").success();
    assert_eq!(std::fs::read_to_string(env.path("note")).unwrap(), "hello from vi\n");
}

#[test]
fn bash_in_debian_has_job_control() {
    let env = prepared_env!("debian.tar");
    let mut pty = Pty::spawn(env.command(["run", "-it", "--rm", "localhost/debian", "bash", "--norc"]));
    pty.line("PS1='> '; trap 'echo resized' WINCH; echo ready-$((2*3))");
    pty.expect("ready-6");
    assert!(!pty.screen().contains("no job control"), "{}", pty.screen());
    assert!(!pty.screen().contains("cannot set terminal"), "{}", pty.screen());
    pty.line("sleep 1000");
    std::thread::sleep(std::time::Duration::from_millis(300));
    pty.send("\x1a");
    pty.expect("Stopped");
    pty.line("kill %1; echo killed; wait %1; echo status $?");
    pty.expect("status");
    pty.resize(44, 99);
    pty.line("");
    pty.expect("resized");
    pty.line("stty size; tput cols");
    pty.expect("44 99");
    pty.line("exit 0");
    assert_eq!(pty.end().0, 0);
}
