//! How fast the codecs are, in bytes of COPY text or of archive per second on one core.

use std::hint::black_box;
use std::io::Write;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use flate2::Compression;
use flate2::write::GzEncoder;
use paycraft_dr::archive::{ArchiveReader, gzip};
use paycraft_dr::drill::workload::Workload;
use paycraft_dr::model::fingerprint::TableHasher;
use paycraft_dr::recovery::survey::Survey;

const BLOCK_BYTES: usize = 1 << 20;

/// Rows as real ones are: the synthetic product's largest table.
fn rows() -> Vec<u8> {
    let mut tables = Workload::new(1, 16 << 20).tables();
    let mut largest = tables.iter_mut().max_by_key(|table| table.rows).into_iter();
    let mut rows = Vec::new();
    if let Some(table) = largest.next() {
        while table.fill(&mut rows) {}
    }
    rows
}

/// Rows of about a hundred bytes, of which an archive costs the most to read: each is a piece of its own.
fn short_rows() -> Vec<u8> {
    (0..100_000_u32).fold(Vec::new(), |mut rows, id| {
        let row = format!(
            "{id}\tcustomer{id}@example.com\tactive\t2026-01-01 00:00:00+00\t\\N\t{{\"seats\": {}}}\tlive\n",
            id % 50
        );
        rows.extend_from_slice(row.as_bytes());
        rows
    })
}

fn int(archive: &mut Vec<u8>, value: usize) {
    archive.push(0);
    archive.extend_from_slice(&u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes());
}

fn texts<const N: usize>(archive: &mut Vec<u8>, texts: [&str; N]) {
    for text in texts {
        int(archive, text.len());
        archive.extend_from_slice(text.as_bytes());
    }
}

/// An archive of one table, laid out as `pg_dump -Fc --compress=0` does: each row is a piece of its own.
fn archive(rows: &[u8]) -> Vec<u8> {
    let mut archive = b"PGDMP\x01\x0e\x00\x04\x08\x01".to_vec();
    for _compression_and_date in 0..8 {
        int(&mut archive, 0);
    }
    texts(&mut archive, ["bench", "15", "15"]);
    int(&mut archive, 1);
    int(&mut archive, 5);
    int(&mut archive, 1);
    texts(&mut archive, ["0", "0", "t", "TABLE DATA"]);
    int(&mut archive, 3);
    texts(
        &mut archive,
        [
            "",
            "",
            "COPY public.t FROM stdin;\n",
            "public",
            "",
            "",
            "",
            "false",
        ],
    );
    archive.extend_from_slice(&[1, 1, 0, 0, 0]);
    archive.push(1);
    archive.extend_from_slice(&[0; 8]);
    archive.push(1);
    int(&mut archive, 5);
    for row in rows
        .split_inclusive(|byte| *byte == b'\n')
        .chain([&b"\\.\n\n\n"[..]])
    {
        int(&mut archive, row.len());
        archive.extend_from_slice(row);
    }
    int(&mut archive, 0);
    archive
}

fn read_all(archive: &[u8]) -> usize {
    let mut reader = ArchiveReader::new();
    let mut events = 0;
    for mut block in archive.chunks(BLOCK_BYTES) {
        loop {
            let step = reader.step(block).expect("an archive");
            block = &block[step.consumed..];
            if step.event.is_none() {
                break;
            }
            events += 1;
        }
    }
    reader.finish().expect("a whole archive");
    events
}

fn reading(criterion: &mut Criterion, name: &str, rows: &[u8]) {
    let archive = archive(rows);
    let mut group = criterion.benchmark_group(name);

    group.throughput(Throughput::Bytes(archive.len() as u64));
    group.bench_function("read the archive", |bencher| {
        bencher.iter(|| read_all(black_box(&archive)));
    });
    group.bench_function("read the archive and hash its rows", |bencher| {
        bencher.iter_batched(
            Survey::default,
            |mut survey| {
                archive
                    .chunks(BLOCK_BYTES)
                    .for_each(|block| survey.feed(block).expect("an archive"));
                survey.finish().expect("a whole archive").tables
            },
            BatchSize::SmallInput,
        );
    });

    group.throughput(Throughput::Bytes(rows.len() as u64));
    group.bench_function("hash rows", |bencher| {
        bencher.iter(|| {
            let mut hasher = TableHasher::new();
            hasher.update(black_box(rows));
            hasher.finish()
        });
    });
    group.finish();
}

fn codecs(criterion: &mut Criterion) {
    let rows = rows();
    reading(criterion, "rows of the product", &rows);
    reading(criterion, "rows of 100 bytes", &short_rows());

    members(criterion, &rows);
    streams(criterion, &rows[..BLOCK_BYTES]);
}

/// Blocks as members of their own, at the levels and in the sizes there were to choose from. A name says what a block is deflated
/// to.
fn members(criterion: &mut Criterion, rows: &[u8]) {
    let mut group = criterion.benchmark_group("gzip members");
    for (bytes, level) in [
        (BLOCK_BYTES, 1),
        (BLOCK_BYTES, 4),
        (BLOCK_BYTES, 6),
        (BLOCK_BYTES, 9),
        (BLOCK_BYTES / 4, 6),
        (BLOCK_BYTES * 4, 6),
    ] {
        let raw = &rows[..bytes];
        let member = gzip::deflate(raw, level);
        let permille = member.len() * 1000 / raw.len();
        let name = format!("{} KiB at level {level}, to {permille} permille", bytes >> 10);
        group.throughput(Throughput::Bytes(raw.len() as u64));
        group.bench_function(BenchmarkId::new("deflate", &name), |bencher| {
            bencher.iter(|| gzip::deflate(black_box(raw), level));
        });
        group.bench_function(BenchmarkId::new("inflate", &name), |bencher| {
            bencher.iter(|| gzip::inflate(black_box(&member), raw.len()).expect("a member"));
        });
    }
    group.throughput(Throughput::Elements((rows.len() / BLOCK_BYTES) as u64));
    let blocks: Vec<_> = rows.chunks_exact(BLOCK_BYTES).collect();
    let stored: Vec<_> = blocks.iter().map(|block| gzip::deflate(block, 6)).collect();
    group.bench_function("members inflated one after the other", |bencher| {
        bencher.iter(|| {
            let inflated = stored
                .iter()
                .map(|member| gzip::inflate(member, BLOCK_BYTES).expect("a member").len());
            inflated.sum::<usize>()
        });
    });
    group.finish();
}

/// One stream, as other tools write it, beside a member of ours: what libdeflate is worth, which takes nothing but whole blocks.
fn streams(criterion: &mut Criterion, raw: &[u8]) {
    let mut group = criterion.benchmark_group("one gzip stream");
    group.throughput(Throughput::Bytes(raw.len() as u64));
    let deflate = |level| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(raw).expect("memory");
        encoder.finish().expect("memory")
    };
    for level in [1, 6] {
        let permille = deflate(level).len() * 1000 / raw.len();
        let name = format!("deflate with zlib-rs at level {level}, to {permille} permille");
        group.bench_function(name, |bencher| bencher.iter(|| deflate(black_box(level))));
    }
    let stored = deflate(6);
    group.bench_function("inflate with zlib-rs", |bencher| {
        bencher.iter(|| {
            let (mut stream, mut inflated) = (gzip::GzipStream::new(), Vec::new());
            stream.feed(black_box(&stored), &mut inflated).expect("a stream");
            stream.finish(&mut inflated).expect("a whole stream");
            inflated
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = codecs
}
criterion_main!(benches);
