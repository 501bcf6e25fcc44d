//! What a user of the server must be allowed: the keys of its queues, and the commands that the engine and
//! its scripts send. A test compares the list with the sources.

use crate::keys::Keys;

/// The commands that sessions and workers need.
const COMMANDS: &[&str] = &[
    "blpop",
    "bzpopmin",
    "client|setname",
    "cluster|slots",
    "del",
    "evalsha",
    "exec",
    "exists",
    "get",
    "hdel",
    "hexists",
    "hget",
    "hgetall",
    "hincrby",
    "hkeys",
    "hlen",
    "hmget",
    "hrandfield",
    "hscan",
    "hset",
    "hsetnx",
    "hstrlen",
    "info",
    "lindex",
    "llen",
    "lpop",
    "lpos",
    "lpush",
    "lrange",
    "lrem",
    "ltrim",
    "memory|usage",
    "multi",
    "pexpire",
    "pexpireat",
    "ping",
    "pttl",
    "rename",
    "rpush",
    "script|load",
    "select",
    "set",
    "time",
    "type",
    "unlink",
    "xadd",
    "xread",
    "xtrim",
    "zadd",
    "zcard",
    "zmscore",
    "zrange",
    "zrangebylex",
    "zrangebyscore",
    "zrem",
    "zremrangebyscore",
    "zrevrangebylex",
    "zrevrangebyscore",
    "zscan",
    "zscore",
];

/// Those that submissions need which wait until tasks are safe. Version 7.2 brought the second one.
const DURABLE: &[&str] = &["wait", "waitaof"];

/// The rules of a user that may use these queues, and nothing else, as `ACL SETUSER` takes them.
pub fn rules(queues: &[String], durable: bool) -> Vec<String> {
    let mut rules: Vec<String> =
        ["resetkeys", "resetchannels", "-@all"].map(str::to_owned).to_vec();
    rules.extend(queues.iter().map(|id| format!("~{}*", literal(Keys::new(id).prefix()))));
    let durable = if durable { DURABLE } else { &[] };
    rules.extend(COMMANDS.iter().chain(durable).map(|command| format!("+{command}")));
    rules
}

/// Patterns give a meaning to some characters.
fn literal(text: &str) -> String {
    let mut pattern = String::new();
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The text of all files of a folder with this ending, without tests.
    fn sources(folder: &Path, ending: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                // The private server is run by its own user.
                if name != "server" {
                    sources(&path, ending, found);
                }
            } else if name.ends_with(ending) && !["server.rs", "acl.rs"].contains(&name.as_str()) {
                let text = fs::read_to_string(&path).unwrap();
                found.push(text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned());
            }
        }
    }

    /// The words in quotes that follow one of these texts, in lower case.
    fn words(text: &str, before: &[&str], quote: char, found: &mut BTreeSet<String>) {
        for before in before {
            for rest in text.split(before).skip(1) {
                let word =
                    rest.trim_start().strip_prefix(quote).and_then(|rest| rest.split(quote).next());
                if let Some(word) = word.filter(|word| word.chars().all(|c| c.is_ascii_uppercase()))
                {
                    found.insert(word.to_lowercase());
                }
            }
        }
    }

    #[test]
    fn every_command_that_is_sent_is_allowed_and_no_other() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (mut lua, mut rust) = (Vec::new(), Vec::new());
        sources(&root.join("lua"), ".lua", &mut lua);
        sources(&root.join("src"), ".rs", &mut rust);
        let mut sent = BTreeSet::new();
        for text in &lua {
            words(text, &["redis.call(", "redis.pcall("], '\'', &mut sent);
        }
        for text in &rust {
            let before = ["cmd(", "Cmd::new().arg(", "command.arg(", ".cmd(", "self.scan("];
            words(text, &before, '"', &mut sent);
        }
        // Sent by other means: transactions.
        sent.extend(["multi", "exec"].map(str::to_owned));
        // Options; what a Sentinel is asked; logging in, which needs no permission; and what a queue that
        // cannot be read needs to be destroyed: it lists the keys of all queues, so it is left to others.
        for other in ["count", "load", "streams", "sentinel", "auth", "scan"] {
            sent.remove(other);
        }
        let allowed = COMMANDS.iter().chain(DURABLE);
        let allowed: BTreeSet<String> =
            allowed.map(|command| command.split('|').next().unwrap().to_owned()).collect();
        assert_eq!(sent, allowed);
    }

    #[test]
    fn special_characters_of_a_queue_id_mean_themselves() {
        let rules = rules(&["a*b".into()], false);
        assert!(rules.contains(&"~{a\\*b}:*".to_owned()), "{rules:?}");
    }
}
