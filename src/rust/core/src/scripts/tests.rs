use super::*;

#[test]
fn scripts_find_all_that_they_include_and_name() {
    for (file, body) in FILES {
        let source = source(body);
        assert!(!source.contains("include:"), "{file} includes a part that does not exist");
        for (table, _) in TABLES {
            let unknown = source.split_once(&format!("{table}."));
            assert!(unknown.is_none(), "{file}: {table}.{:.20}", unknown.unwrap().1);
        }
    }
}

/// Lua looks for a function that is not defined yet among the globals, and finds none.
#[test]
fn every_function_is_defined_before_it_is_called() {
    let known = [
        "function", "ipairs", "next", "pairs", "pcall", "select", "tonumber", "type", "unpack",
        "and", "or", "not",
    ];
    for (file, body) in FILES {
        let source = source(body);
        let mut defined: Vec<&str> = known.to_vec();
        for line in source.lines() {
            let local = line.trim_start().strip_prefix("local ").unwrap_or_default();
            let names = local.strip_prefix("function ").unwrap_or(local);
            let names = names.split(['(', '=']).next().unwrap();
            defined.extend(names.split(',').map(str::trim));
            let code = line.split('\'').step_by(2).collect::<String>();
            let parts: Vec<&str> = code.split('(').collect();
            for text in &parts[..parts.len() - 1] {
                let is_name = |c: char| c == '_' || c == '.' || c == ':' || c.is_alphanumeric();
                let name = text.rsplit(|c| !is_name(c)).next().unwrap();
                let is_known = name.is_empty() || name.contains('.') || defined.contains(&name);
                assert!(is_known, "{file} calls {name}: {line}");
            }
        }
    }
}

#[test]
fn a_part_that_is_included_twice_stands_there_once() {
    let source = source("-- include: _header.lua\n-- include: _header.lua\nread_header()");
    assert_eq!(source.matches("local function read_header").count(), 1);
}

#[test]
fn a_part_may_include_one_that_comes_before_it() {
    assert!(source("-- include: _queue.lua\nclaim()").contains("local function read_header"));
}

#[test]
fn functions_that_a_script_does_not_call_are_left_out() {
    let source = source("-- include: _queue.lua\nwake()");
    assert!(source.contains("local function wake("));
    assert!(!source.contains("local function read_header"));
}

#[test]
fn functions_that_are_called_late_are_defined_late() {
    let source = source(&format!(
        "local function one()\n  return 1\nend\nlocal function two()\n  return one()\nend\n\
         local function three()\n  return 3\nend\nthree()\n{REST}two()"
    ));
    let place = |text: &str| source.find(text).unwrap();
    assert!(place("function three") < place("\nthree()"));
    assert!(place("\nthree()") < place("function one"));
    assert!(place("function one") < place("function two"));
    assert!(place("function two") < place("\ntwo()"));
}

#[test]
fn every_file_is_a_script_or_a_part_that_some_script_includes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/lua");
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        if file.starts_with('_') {
            let asked = format!("{INCLUDE}{file}\n");
            let mut bodies = FILES.iter().chain(PARTS).map(|(_, body)| body);
            let is_used = ["_base.lua", "_common.lua"].contains(&&*file)
                || bodies.any(|body| body.contains(&asked));
            assert!(is_used && PARTS.iter().any(|(part, _)| *part == file), "{file}");
        } else {
            assert!(FILES.iter().any(|(script, _)| *script == file), "{file}");
        }
    }
}
