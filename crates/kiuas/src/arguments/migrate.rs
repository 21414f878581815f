//! `migrate …`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// What every command of `migrate` explains.
pub(super) const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 10 the database differs from the files, 11 the plan refuses a statement, \
64 wrong settings, usage or files, 75 somebody else held a lock for too long: try again later.";

/// Flags and commands of `migrate`.
#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// As JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) action: Action,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Applies what is pending
    Up {
        /// Which files: those that the running version can live with, or those that wait until it is gone
        #[arg(long, value_enum, default_value_t)]
        phase: PhaseName,
        /// Writes a dump into this directory before contract files are applied
        #[arg(long, value_name = "DIR")]
        dump: Option<PathBuf>,
    },
    /// Shows what is applied and what is pending
    Status,
    /// Prints the SQL that `up` would run, and what of it would hurt a running site
    Plan {
        /// Which files
        #[arg(long, value_enum, default_value_t)]
        phase: PhaseName,
        /// All files, applied or not, without asking the database
        #[arg(long, conflicts_with = "phase")]
        all: bool,
        /// The files of this directory instead of those in the binary; implies --all
        #[arg(long, value_name = "DIR", conflicts_with = "phase")]
        directory: Option<PathBuf>,
    },
    /// Checks that the database is what the files say
    Verify {
        /// Compares files and history alone, not tables with tables
        #[arg(long)]
        quick: bool,
        /// URL of a server where the database to compare with may be made, without a database
        #[arg(long, value_name = "URL", conflicts_with = "quick")]
        shadow_url: Option<String>,
    },
    /// Writes a new, empty file
    New {
        /// What it does, in letters, digits and underscores
        name: String,
        /// For the contract phase
        #[arg(long)]
        contract: bool,
        /// Statements one by one, such as CREATE INDEX CONCURRENTLY
        #[arg(long)]
        no_transaction: bool,
        /// Where
        #[arg(long, value_name = "DIR", default_value = "migrations")]
        directory: PathBuf,
    },
    /// Takes a database that was made otherwise for what the files have made
    Baseline {
        /// The newest version that the database already has
        #[arg(long, value_name = "VERSION")]
        to: i32,
        /// The set; needed if there are several
        #[arg(long, value_name = "NAME")]
        set: Option<String>,
    },
    /// Shows what is wrong with histories and indexes; puts right what is named
    Repair {
        /// The file was changed on purpose: takes it for what was applied
        #[arg(long, value_name = "SET/FILE")]
        accept: Vec<String>,
        /// The file is gone on purpose: forgets that it was applied
        #[arg(long, value_name = "SET/FILE")]
        forget: Vec<String>,
        /// What the file does was done by hand: takes it for applied
        #[arg(long, value_name = "SET/FILE")]
        mark_applied: Vec<String>,
        /// Forgets how far a file without a transaction has come: `up` begins it anew
        #[arg(long, value_name = "SET/FILE")]
        restart: Vec<String>,
        /// Drops indexes that PostgreSQL does not use because their build had failed
        #[arg(long)]
        drop_invalid_indexes: bool,
    },
}

/// Phases by name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PhaseName {
    /// Before the new version starts; everything, if nothing was ever applied
    #[default]
    Expand,
    /// After the old version has gone
    Contract,
    /// Both, in the order of their numbers: where nobody is being served
    All,
}

/// Each command with its examples.
pub(super) const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "up",
        &[
            "migrate up",
            "migrate up --phase contract --dump /var/backups/site",
            "migrate up --phase all",
        ],
    ),
    ("status", &["migrate status", "migrate status --json"]),
    (
        "plan",
        &[
            "migrate plan",
            "migrate plan --phase contract",
            "migrate plan --directory migrations",
        ],
    ),
    (
        "verify",
        &[
            "migrate verify",
            "migrate verify --quick",
            "migrate verify --shadow-url postgres://postgres@localhost",
        ],
    ),
    (
        "new",
        &[
            "migrate new add_closing_time",
            "migrate new drop_old_name --contract",
            "migrate new index_votes --no-transaction",
        ],
    ),
    (
        "baseline",
        &[
            "migrate baseline --to 12",
            "migrate baseline --to 12 --set billing",
        ],
    ),
    (
        "repair",
        &[
            "migrate repair",
            "migrate repair --accept site/V3__close.sql",
            "migrate repair --drop-invalid-indexes",
        ],
    ),
];
