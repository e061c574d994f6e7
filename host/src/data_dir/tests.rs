use super::*;

fn scratch() -> (tempfile::TempDir, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("data");
    (scratch, path)
}

#[test]
fn a_new_directory_gets_the_layout_and_opens_again() {
    let (_scratch, path) = scratch();
    for _ in 0..2 {
        let dir = DataDir::open(&path, "example.org").unwrap();
        assert!(dir.server().is_dir() && dir.agent().is_dir());
        assert_eq!(trust_domain_of(&path).unwrap(), "example.org");
        let mode = std::fs::metadata(dir.server()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "others see nothing of the server's");
    }
}

#[test]
fn what_was_there_before_gets_the_permissions_it_should_have() {
    let (_scratch, path) = scratch();
    for (name, mode) in [("server", 0o755), ("agent", 0o700)] {
        std::fs::create_dir_all(path.join(name)).unwrap();
        set_mode(&path.join(name), mode).unwrap();
    }
    let dir = DataDir::open(&path, "example.org").unwrap();
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(dir.server()), mode(dir.agent())), (0o700, 0o711));
}

#[test]
fn one_process_at_a_time() {
    let (_scratch, path) = scratch();
    let first = DataDir::open(&path, "example.org").unwrap();
    let error = DataDir::open(&path, "example.org").unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("process {}", std::process::id())),
        "{error}"
    );
    drop(first);
    DataDir::open(&path, "example.org").unwrap();
}

#[test]
fn another_trust_domain_a_newer_layout_and_damage_are_told_apart() {
    let (_scratch, path) = scratch();
    drop(DataDir::open(&path, "example.org").unwrap());
    assert!(matches!(
        DataDir::open(&path, "other.org"),
        Err(DataDirError::OtherTrustDomain { found, .. }) if found == "example.org"
    ));
    std::fs::write(path.join("VERSION"), "layout = 2\nshape = \"round\"\n").unwrap();
    assert!(matches!(
        DataDir::open(&path, "example.org"),
        Err(DataDirError::Newer { found: 2, .. })
    ));
    for damage in [
        "",
        "layout = 1",
        "layout = \"x\"",
        "layout = 0\ntrust_domain = \"example.org\"\n",
        "layout = -1\ntrust_domain = \"example.org\"\n",
        "\0\0",
    ] {
        std::fs::write(path.join("VERSION"), damage).unwrap();
        assert!(
            matches!(
                DataDir::open(&path, "example.org"),
                Err(DataDirError::Damaged { .. })
            ),
            "{damage:?}"
        );
    }
}

#[test]
fn somebody_elses_directory_is_left_alone() {
    let (_scratch, path) = scratch();
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("thesis.tex"), "").unwrap();
    assert!(matches!(
        DataDir::open(&path, "example.org"),
        Err(DataDirError::NotOurs(_))
    ));
    assert_eq!(
        std::fs::read_dir(&path).unwrap().count(),
        1,
        "nothing was written"
    );
}

#[test]
fn a_directory_that_others_may_write_to_is_refused() {
    for mode in [0o770, 0o702, 0o777, 0o1777] {
        let (_scratch, path) = scratch();
        std::fs::create_dir(&path).unwrap();
        set_mode(&path, mode).unwrap();
        let error = DataDir::open(&path, "example.org").unwrap_err();
        assert!(
            matches!(error, DataDirError::Writable { mode: found, .. } if found == mode),
            "{error}"
        );
        assert_eq!(
            std::fs::read_dir(&path).unwrap().count(),
            0,
            "nothing was written"
        );
        set_mode(&path, mode & 0o755).unwrap();
        DataDir::open(&path, "example.org").unwrap();
    }
}

#[test]
fn another_users_directory_is_refused_even_by_root() {
    let (_scratch, path) = scratch();
    std::fs::create_dir(&path).unwrap();
    let me = rustix::process::geteuid().as_raw();
    check_owner(&path, me).unwrap();
    if me == 0 {
        // Root's own serves everybody, and another's does not serve root.
        check_owner(&path, 1000).unwrap();
        std::os::unix::fs::chown(&path, Some(1000), None).unwrap();
        check_owner(&path, 1000).unwrap();
        let error = DataDir::open(&path, "example.org").unwrap_err();
        assert!(
            matches!(
                error,
                DataDirError::Owner {
                    owner: 1000,
                    user: 0,
                    ..
                }
            ),
            "{error}"
        );
        assert!(error.to_string().contains("chown"), "{error}");
    } else {
        let error = check_owner(&path, 0).unwrap_err();
        assert!(
            matches!(error, DataDirError::Owner { owner, user: 0, .. } if owner == me),
            "{error}"
        );
    }
}

#[test]
fn a_run_killed_at_any_moment_of_making_it_leaves_what_opens() {
    for leftovers in [&["lock"][..], &["lock", "VERSION.new"], &["lock", "server"]] {
        let (_scratch, path) = scratch();
        std::fs::create_dir(&path).unwrap();
        for name in leftovers {
            if *name == "server" {
                std::fs::create_dir(path.join(name)).unwrap();
            } else {
                std::fs::write(path.join(name), "la").unwrap();
            }
        }
        DataDir::open(&path, "example.org").unwrap();
        assert!(!path.join("VERSION.new").exists());
    }
}

#[test]
fn a_directory_that_is_not_there_is_missing() {
    let (_scratch, path) = scratch();
    assert!(matches!(trust_domain_of(&path), Err(DataDirError::Missing(_))));
}
