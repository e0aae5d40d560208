use super::*;

fn fates(journal: &Journal) -> Vec<(u64, Fate)> {
    journal.jobs().iter().map(|job| (job.id, job.fate)).collect()
}

fn file(folder: &Path) -> PathBuf {
    folder.join(FILE_NAME)
}

#[tokio::test]
async fn what_became_of_each_job_is_known_to_the_next_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state/hharome");
    {
        let journal = Journal::open(&state);
        for label in ["\"a b\"", "7", "\"取号\"", "\"last\""] {
            journal.accept(label.to_owned(), 100).await.unwrap();
        }
        journal.begin(1).await.unwrap();
        journal.end(1, Fate::Printed, None).await;
        journal.begin(2).await.unwrap();
        journal.end(2, Fate::Failed, Some("out of paper;\nstopped".to_owned())).await;
        journal.begin(3).await.unwrap();
        let expected =
            [(1, Fate::Printed), (2, Fate::Failed), (3, Fate::Printing), (4, Fate::Queued)];
        assert_eq!(fates(&journal), expected);
    }
    for _ in 0..2 {
        let journal = Journal::open(&state);
        let expected =
            [(1, Fate::Printed), (2, Fate::Failed), (3, Fate::Unknown), (4, Fate::Failed)];
        assert_eq!(fates(&journal), expected);
        let jobs = journal.jobs();
        assert_eq!((jobs[0].label.as_str(), jobs[2].label.as_str()), ("\"a b\"", "\"取号\""));
        assert_eq!(jobs[1].detail.as_deref(), Some("out of paper; stopped"));
        assert_eq!((jobs[2].rows, jobs[0].detail.as_deref()), (100, None));
        assert!(jobs[3].detail.as_deref().unwrap().contains("nothing is on paper"));
    }
    let journal = Journal::open(&state);
    assert_eq!(journal.accept(String::new(), 1).await.unwrap(), 5);
}

#[tokio::test]
async fn a_file_cut_anywhere_is_read_as_far_as_it_goes_and_written_on() {
    let folder = tempfile::tempdir().unwrap();
    {
        let journal = Journal::open(folder.path());
        for id in 1..=3 {
            journal.accept("\"t\"".to_owned(), 10).await.unwrap();
            journal.begin(id).await.unwrap();
            journal.end(id, Fate::Printed, None).await;
        }
    }
    let whole = fs::read(file(folder.path())).unwrap();
    for cut in 0..=whole.len() {
        fs::write(file(folder.path()), &whole[..cut]).unwrap();
        let lines = whole[..cut].iter().filter(|byte| **byte == b'\n').count();
        let journal = Journal::open(folder.path());
        // Of each three lines the first accepts, the second begins, the third ends. A last line
        // that lacks nothing but its end is whole.
        let lines = lines + usize::from(whole.get(cut) == Some(&b'\n'));
        let mut expected: Vec<_> = (1..=lines / 3).map(|id| (id as u64, Fate::Printed)).collect();
        match lines % 3 {
            1 => expected.push((lines as u64 / 3 + 1, Fate::Failed)),
            2 => expected.push((lines as u64 / 3 + 1, Fate::Unknown)),
            _ => {}
        }
        assert_eq!(fates(&journal), expected, "cut at {cut}");
        journal.accept("\"next\"".to_owned(), 10).await.unwrap();
        let next = journal.jobs().pop().unwrap();
        drop(journal);
        let again = Journal::open(folder.path());
        assert_eq!(again.jobs().pop().unwrap().id, next.id, "cut at {cut}");
    }
}

#[tokio::test]
async fn a_damaged_line_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    {
        let journal = Journal::open(folder.path());
        journal.accept("1".to_owned(), 10).await.unwrap();
        journal.accept("2".to_owned(), 10).await.unwrap();
    }
    let mut bytes = fs::read(file(folder.path())).unwrap();
    bytes[12] ^= 1;
    fs::write(file(folder.path()), &bytes).unwrap();
    assert_eq!(fates(&Journal::open(folder.path())), [(2, Fate::Failed)]);
}

#[tokio::test]
async fn it_keeps_the_last_hundred_and_does_not_grow_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path());
    let label = format!("\"{}\"", "x".repeat(200));
    for _ in 0..1000 {
        let id = journal.accept(label.clone(), 10).await.unwrap();
        journal.begin(id).await.unwrap();
        journal.end(id, Fate::Printed, None).await;
    }
    let ids: Vec<u64> = journal.jobs().iter().map(|job| job.id).collect();
    assert_eq!(ids, (901..=1000).collect::<Vec<_>>());
    assert!(fs::metadata(file(folder.path())).unwrap().len() < 2 * COMPACT_FROM);
    let mut jobs = journal.jobs();
    jobs.iter_mut().for_each(|job| job.accepted = None);
    drop(journal);
    assert_eq!(Journal::open(folder.path()).jobs(), jobs);
}

#[tokio::test]
async fn a_folder_is_one_daemons_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = Journal::open(folder.path());
    let second = Journal::open(folder.path());
    let error = second.accept(String::new(), 1).await.unwrap_err().to_string();
    assert!(error.contains("another daemon"), "{error}");
    assert_eq!(first.accept(String::new(), 1).await.unwrap(), 1);
    assert_eq!(first.accept(String::new(), 1).await.unwrap(), 2);
    drop(first);
    // It is tried again, and goes on behind the numbers that it finds.
    assert_eq!(second.accept(String::new(), 1).await.unwrap(), 3);
    let expected = [(1, Fate::Failed), (2, Fate::Failed), (3, Fate::Queued)];
    assert_eq!(fates(&second), expected);
}

#[tokio::test]
async fn what_cannot_be_written_down_is_an_error_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let journal = Journal::open(&folder.path().join("file/below"));
    let error = journal.accept(String::new(), 1).await.unwrap_err().to_string();
    assert!(error.contains("file/below/print-jobs.journal"), "{error}");
    assert!(journal.jobs().is_empty());
}

#[tokio::test]
async fn a_label_that_is_too_long_or_no_line_is_left_out() {
    let journal = Journal::in_memory();
    for label in ["x".repeat(300), "a\nb".to_owned()] {
        journal.accept(label, 1).await.unwrap();
    }
    assert!(journal.jobs().iter().all(|job| job.label.is_empty()));
}

#[test]
fn a_full_disk_is_an_error() {
    let full = OpenOptions::new().append(true).open("/dev/full").unwrap();
    let mut open = Open { file: full, length: 0, folder: File::open("/").unwrap() };
    let error = open.append(b"line\n").unwrap_err();
    assert_eq!((error.kind(), open.length), (io::ErrorKind::StorageFull, 0));
}

#[test]
fn nobody_has_the_disk_before_a_line_on_it_is_in_the_book() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path());
    let entry = Entry::Accepted { rows: 1, label: String::new() };
    let book = lock(&journal.0.book);
    let writer = {
        let journal = journal.clone();
        std::thread::spawn(move || journal.0.write(Line { id: 1, at: 0, entry }, true))
    };
    while fs::read(file(folder.path())).unwrap().is_empty() {
        std::thread::yield_now();
    }
    // Else one that writes the file anew would leave it out.
    assert!(journal.0.disk.as_ref().unwrap().try_lock().is_err());
    drop(book);
    writer.join().unwrap().unwrap();
    assert_eq!(fates(&journal), [(1, Fate::Queued)]);
}
