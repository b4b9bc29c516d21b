//! What the tables must add up to, and where the log stands. The last commit of a transaction carries it; the row of table
//! `head` has it where no later commit does, and alone has where the log begins. So a commit writes no page for it, but for
//! a large one, behind whose body SQLite would have to look for it page by page.
//!
//! The table is brought up to date now and then all the same, and when a database is closed or copied: it lies apart from
//! the log, so that it tells of an end of the log that went missing, whatever that end came to.

use rusqlite::{Connection, Row, Statement};

use super::super::chain::{BEGINNING, Hash, Link};
use super::super::checksum::Checksum;
use super::super::codec::carried_checksum;
use super::super::{Head, StorageError};
use super::migrate::Schema;
use crate::model::{Revision, Time};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    pub head: Head,
    /// The revision before the oldest commit of the log.
    pub forgotten: Revision,
    pub entities: u64,
    pub relations: u64,
    pub replays: u64,
    /// The sum of the checksums of all entities, relations and replays: it finds rows that went missing.
    pub digest: u64,
    /// Of the last commit, and of the last one that is forgotten.
    pub chain: Hash,
    pub forgotten_chain: Hash,
}

/// What a commit carries: five numbers and a checksum, low bytes first.
pub type Carried = [u8; NUMBERS * 8 + 4];
const NUMBERS: usize = 5;
/// The longest body of a commit that carries them.
pub const CARRYING_BYTES: usize = if cfg!(test) { 1024 } else { 64 * 1024 };

impl Totals {
    pub const EMPTY: Self = Self {
        head: Head::EMPTY,
        forgotten: 0,
        entities: 0,
        relations: 0,
        replays: 0,
        digest: 0,
        chain: BEGINNING,
        forgotten_chain: BEGINNING,
    };

    pub fn read(db: &Connection) -> Result<Self, StorageError> {
        let base = Self::of_table(db)?;
        let mut later = db.prepare_cached(
            "SELECT revision, at, chain, totals FROM commit_log WHERE revision > ?1 ORDER BY revision DESC LIMIT 1",
        )?;
        let mut rows = later.query([base.head.revision as i64])?;
        rows.next()?.map_or(Ok(base), |row| base.after(row))
    }

    /// What the table `head` says, which may be of a while ago.
    pub fn of_table(db: &Connection) -> Result<Self, StorageError> {
        let mut statement = db.prepare_cached(
            "SELECT revision, at, next_serial, forgotten, entities, relations, replays, digest, chain, forgotten_chain,
                 checksum FROM head WHERE id = 1",
        )?;
        let mut rows = statement.query(())?;
        let Some(row) = rows.next()? else {
            return Err(StorageError::Damaged("the head is missing".to_owned()));
        };
        let number = |at: usize| row.get::<_, i64>(at).map(|number| number as u64);
        let totals = Self {
            head: Head {
                revision: number(0)?,
                at: Time(number(1)? as i64),
                next_serial: number(2)?,
            },
            forgotten: number(3)?,
            entities: number(4)?,
            relations: number(5)?,
            replays: number(6)?,
            digest: number(7)?,
            chain: hash(row, 8)?,
            forgotten_chain: hash(row, 9)?,
        };
        match totals.checksum() == row.get::<_, i64>(10)? {
            true => Ok(totals),
            false => Err(unfit()),
        }
    }

    /// What a later commit carries: revision, at, chain, totals.
    fn after(&self, row: &Row<'_>) -> Result<Self, StorageError> {
        let (revision, at) = (row.get_ref(0)?.as_i64()? as u64, Time(row.get_ref(1)?.as_i64()?));
        match row.get_ref(3)?.as_blob()? {
            [] => Err(cut_off(revision)),
            carried => self.carried_by(revision, at, hash(row, 2)?, carried),
        }
    }

    /// # Errors
    /// It does not fit the commit.
    pub fn carried_by(&self, revision: Revision, at: Time, chain: Hash, carried: &[u8]) -> Result<Self, StorageError> {
        let number = |at: usize| {
            let bytes = carried.get(at * 8..at * 8 + 8)?;
            Some(u64::from_le_bytes(bytes.try_into().ok()?))
        };
        let numbers = [0, 1, 2, 3, 4].map(number);
        let [
            Some(next_serial),
            Some(entities),
            Some(relations),
            Some(replays),
            Some(digest),
        ] = numbers
        else {
            return Err(unfit_carried(revision));
        };
        let totals = Self {
            head: Head {
                revision,
                at,
                next_serial,
            },
            entities,
            relations,
            replays,
            digest,
            chain,
            ..*self
        };
        match carried == totals.carried() {
            true => Ok(totals),
            false => Err(unfit_carried(revision)),
        }
    }

    /// Where the log ends, when what its last commit carries cannot be read. The sums are not known then.
    pub fn of_end(&self, db: &Connection) -> Result<Self, StorageError> {
        let mut last = db.prepare("SELECT revision, at, chain FROM commit_log ORDER BY revision DESC LIMIT 1")?;
        let mut rows = last.query(())?;
        let Some(row) = rows.next()? else { return Ok(*self) };
        Ok(Self {
            head: Head {
                revision: row.get_ref(0)?.as_i64()? as u64,
                at: Time(row.get_ref(1)?.as_i64()?),
                ..self.head
            },
            chain: hash(row, 2)?,
            ..*self
        })
    }

    /// For the last commit of a transaction.
    pub fn carried(&self) -> Carried {
        let numbers = [
            self.head.next_serial,
            self.entities,
            self.relations,
            self.replays,
            self.digest,
        ];
        let sum = sum_of(&[self.head.revision, self.head.at.0 as u64]).bytes(&self.chain);
        let sum = numbers.iter().fold(sum, |sum, number| sum.number(*number)).sum();
        let mut carried = [0; NUMBERS * 8 + 4];
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
        for (place, byte) in carried.iter_mut().zip(bytes.chain(sum.to_le_bytes())) {
            *place = byte;
        }
        carried
    }

    /// Puts it into the table `head`.
    pub fn write(&self, db: &Connection) -> Result<(), StorageError> {
        let mut update = db.prepare_cached(
            "UPDATE head SET revision = ?1, at = ?2, next_serial = ?3, forgotten = ?4, entities = ?5, relations = ?6,
                 replays = ?7, digest = ?8, chain = ?9, forgotten_chain = ?10, checksum = ?11 WHERE id = 1",
        )?;
        self.bind(&mut update)?;
        match update.raw_execute()? {
            1 => Ok(()),
            _ => Err(StorageError::Damaged("the head is missing".to_owned())),
        }
    }

    /// The head of a new database.
    pub fn write_first(db: &Connection) -> Result<(), StorageError> {
        let mut insert = db.prepare(
            "INSERT INTO head (revision, at, next_serial, forgotten, entities, relations, replays, digest, chain,
                 forgotten_chain, checksum, id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1)",
        )?;
        Self::EMPTY.bind(&mut insert)?;
        insert.raw_execute()?;
        Ok(())
    }

    /// The eleven parameters.
    fn bind(&self, statement: &mut Statement<'_>) -> Result<(), StorageError> {
        for (at, number) in (1..).zip(self.numbers()) {
            statement.raw_bind_parameter(at, number as i64)?;
        }
        statement.raw_bind_parameter(9, self.chain)?;
        statement.raw_bind_parameter(10, self.forgotten_chain)?;
        statement.raw_bind_parameter(11, self.checksum())?;
        Ok(())
    }

    /// Those columns of the table that are numbers, in its order.
    pub fn numbers(&self) -> [u64; 8] {
        [
            self.head.revision,
            self.head.at.0 as u64,
            self.head.next_serial,
            self.forgotten,
            self.entities,
            self.relations,
            self.replays,
            self.digest,
        ]
    }

    /// Of the row of the table.
    pub fn checksum(&self) -> i64 {
        let sum = sum_of(&self.numbers());
        i64::from(sum.bytes(&self.chain).bytes(&self.forgotten_chain).sum())
    }

    pub fn link(&self) -> Link {
        Link {
            revision: self.head.revision,
            hash: self.chain,
        }
    }

    /// The same head, before any row was counted.
    pub fn of_nothing(&self) -> Self {
        Self {
            entities: 0,
            relations: 0,
            replays: 0,
            digest: 0,
            ..*self
        }
    }

    /// What was counted is what the head says.
    pub fn must_be(&self, said: &Self) -> Result<(), StorageError> {
        match self == said {
            true => Ok(()),
            false => Err(StorageError::Damaged(format!(
                "rows are missing or too many: {} entities of {}, {} relations of {}, {} kept answers of {}",
                self.entities, said.entities, self.relations, said.relations, self.replays, said.replays
            ))),
        }
    }

    pub fn add(&mut self, row: &[u8]) {
        self.digest = self.digest.wrapping_add(u64::from(carried_checksum(row)));
    }

    pub fn subtract(&mut self, row: &[u8]) {
        self.digest = self.digest.wrapping_sub(u64::from(carried_checksum(row)));
    }
}

/// Whether other connections wrote: the file's lock keeps our own programs out, and not a shell.
#[derive(Debug)]
pub struct Others {
    /// Changes with every commit of another connection, and with none of ours.
    version: Option<i64>,
    /// Changes with the schema, which is to stay what it was when the database was opened: a trigger would undo what was written.
    schema_version: Option<i64>,
    schema: Schema,
}

impl Others {
    pub fn new(schema: Schema) -> Self {
        Self {
            version: None,
            schema_version: None,
            schema,
        }
    }

    /// To be asked inside the transaction that writes on from these totals.
    ///
    /// # Errors
    /// They are no longer those of the database, or its schema has what is not ours.
    pub fn wrote_nothing(&mut self, db: &Connection, totals: &Totals) -> Result<(), StorageError> {
        let version = db
            .prepare_cached("PRAGMA data_version")?
            .query_row((), |row| row.get(0))?;
        if self.version != Some(version) {
            match Totals::read(db) {
                Ok(found) if found == *totals => {}
                Ok(_) | Err(StorageError::Damaged(_)) => {
                    return Err(StorageError::Io("another program wrote to the database".to_owned()));
                }
                Err(error) => return Err(error),
            }
            self.made_nothing(db)?;
            self.version = Some(version);
        }
        Ok(())
    }

    fn made_nothing(&mut self, db: &Connection) -> Result<(), StorageError> {
        let version = db
            .prepare_cached("PRAGMA schema_version")?
            .query_row((), |row| row.get(0))?;
        if self.schema_version != Some(version) {
            self.schema.compare(db)?.refuse()?;
            self.schema_version = Some(version);
        }
        Ok(())
    }
}

pub fn sum_of(numbers: &[u64]) -> Checksum {
    numbers.iter().fold(Checksum::new(), |sum, number| sum.number(*number))
}

fn hash(row: &Row<'_>, column: usize) -> Result<Hash, StorageError> {
    Hash::try_from(row.get_ref(column)?.as_blob()?).map_err(|_| unfit())
}

fn unfit_carried(revision: Revision) -> StorageError {
    StorageError::Damaged(format!("the totals that commit {revision} carries do not fit it"))
}

fn cut_off(revision: Revision) -> StorageError {
    StorageError::Damaged(format!(
        "the log ends at commit {revision}, which others followed in one transaction"
    ))
}

fn unfit() -> StorageError {
    StorageError::Damaged("the checksum of the head does not fit".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::super::samples::World;
    use super::super::super::{Log, Storage};
    use super::super::{Migrate, Sqlite};
    use super::*;

    #[test]
    fn the_last_commit_of_a_transaction_carries_them() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("totals.db");
        let mut world = World::new(3);
        let mut open = Sqlite::open(&path, Migrate::Refuse).expect("opens");
        for commits in [1, 3, 70, 2] {
            let commits: Vec<_> = (0..commits).map(|_| world.commit(1)).collect();
            open.begin().expect("the turn");
            open.commit(&commits).expect("commits");
            assert_eq!(Totals::read(&open.db), Ok(open.totals));
            assert_eq!(open.totals.head, world.head);
        }
        let carrying: Vec<i64> = open
            .db
            .prepare("SELECT revision FROM commit_log WHERE totals <> x'' ORDER BY revision")
            .and_then(|mut select| select.query_map((), |row| row.get(0))?.collect())
            .expect("read");
        assert_eq!(carrying, [1, 4, 74, 76]);
        assert_eq!(
            Totals::of_table(&open.db),
            Ok(Totals::EMPTY),
            "nothing is written there"
        );

        let large = world.commit(200);
        open.begin().expect("the turn");
        open.commit(&[large]).expect("commits");
        assert_eq!(
            Totals::of_table(&open.db),
            Ok(open.totals),
            "a large commit carries nothing"
        );
        assert_eq!(Totals::read(&open.db), Ok(open.totals));

        // What is closed is written down, and so is what is copied.
        let totals = open.totals;
        open.begin().expect("the turn");
        open.commit(&[world.commit(1)]).expect("commits");
        let (copy, last) = (directory.path().join("copy.db"), open.totals);
        assert_eq!(Totals::of_table(&open.db), Ok(totals));
        open.reader()
            .and_then(|mut reader| reader.backup(&copy, &mut |_, _| ()))
            .expect("copied");
        drop(open);
        for path in [&copy, &path] {
            let db = Connection::open(path).expect("opens");
            assert_eq!(Totals::of_table(&db), Ok(last), "{}", path.display());
        }
        let mut open = Sqlite::open(&path, Migrate::Refuse).expect("opens");

        // What is forgotten, the table tells; what came after it, the log.
        open.forget(4).expect("forgets");
        let at_forget = open.totals;
        assert_eq!(Totals::of_table(&open.db), Ok(at_forget));
        open.begin().expect("the turn");
        open.commit(&[world.commit(1)]).expect("commits");
        assert_eq!(Totals::read(&open.db), Ok(open.totals));
        assert_eq!((open.totals.head.revision, open.totals.forgotten), (79, 4));
        open.forget(79).expect("forgets");
        assert_eq!(Totals::read(&open.db), Ok(open.totals), "with no log left");

        // The end of a transaction that went missing is not taken for the end of the log.
        open.begin().expect("the turn");
        open.commit(&[world.commit(1), world.commit(1)]).expect("commits");
        for (alter, refused) in [
            ("UPDATE commit_log SET totals = zeroblob(44)", unfit_carried(81)),
            ("UPDATE commit_log SET totals = x'00'", unfit_carried(81)),
            ("UPDATE commit_log SET at = at + 1", unfit_carried(81)),
            ("UPDATE commit_log SET chain = zeroblob(32)", unfit_carried(81)),
            ("DELETE FROM commit_log", cut_off(80)),
        ] {
            let change = open.db.unchecked_transaction().expect("begun");
            let done = change.execute(&format!("{alter} WHERE revision = 81"), ());
            assert_eq!(done, Ok(1), "{alter}");
            assert_eq!(Totals::read(&change), Err(refused), "{alter}");
        }
    }
}
