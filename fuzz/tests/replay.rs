//! Replays the committed corpus.

use std::path::Path;

#[test]
fn every_file_of_the_corpus_passes() {
    for (name, target) in welcome_fuzz::TARGETS {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let files: Vec<_> = std::fs::read_dir(&dir).expect("each target has a corpus").collect();
        assert!(!files.is_empty(), "{name} has an empty corpus");
        for file in files {
            let path = file.expect("a file of the corpus").path();
            println!("{}", path.display());
            target(&std::fs::read(&path).expect("a file of the corpus"));
        }
    }
}
