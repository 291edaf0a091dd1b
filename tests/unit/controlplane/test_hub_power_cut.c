// SPDX-License-Identifier: BSD-3-Clause
//
// The hub's database on a disk whose power can be cut between any two of SQLite's writes: a token
// is used and its certificate issued, or neither, and what was answered is there.
//
// Every write, truncation and sync of database and log goes into a journal (a VFS around SQLite's
// own). For each place in it the disk is rebuilt as a cut there could have left it: what was synced
// is there; of the rest nothing, all, or any of its sectors.
//
// usage: test_hub_power_cut [STRIDE]     look at every STRIDE-th place (1: all; default 7)
#include "tests/unit/controlplane/hub_bench.h"

#define ENROLMENTS 24
#define REOPEN     6 // every so many, so that the log is also written back and removed
#define FILES      2 // hub.db, hub.db-wal
#define FILE_MAX   (1u << 20)
#define OPS_MAX    20000
#define SECTOR     512
#define FUTURES    4

enum op_kind { OP_WRITE, OP_TRUNCATE, OP_SYNC, OP_DELETE };

struct op {
	enum op_kind kind;
	int file;
	sqlite3_int64 at;
	size_t len;
	uint8_t *bytes;
};

// A file as it would be found: what is on the platter, and how far the journal was applied.
struct image {
	uint8_t bytes[FILE_MAX];
	size_t len;
	bool exists;
};

static struct image first[FILES]; // before the journal begins
static struct op ops[OPS_MAX];
static unsigned n_ops, acked_at[ENROLMENTS], n_acked, stride = 7;
static sqlite3_vfs *real;

struct traced {
	sqlite3_file base;
	int file; // -1: of no interest
	sqlite3_file *real;
};

static struct traced *traced(sqlite3_file *f)
{
	return (struct traced *)(void *)f;
}

static void note(enum op_kind kind, int file, sqlite3_int64 at, const void *bytes, size_t len)
{
	struct op *op = &ops[n_ops];

	if (file < 0)
		return;
	assert_true(n_ops < OPS_MAX);
	*op = (struct op){kind, file, at, len, NULL};
	if (bytes != NULL) {
		op->bytes = malloc(len);
		memcpy(op->bytes, bytes, len);
	}
	n_ops++;
}

static int which(const char *name)
{
	size_t n = name != NULL ? strlen(name) : 0, base = strlen(db);

	if (n < base || strncmp(name, db, base) != 0)
		return -1;
	return name[base] == '\0' ? 0 : strcmp(name + base, "-wal") == 0 ? 1 : -1;
}

static int on_write(sqlite3_file *f, const void *bytes, int len, sqlite3_int64 at)
{
	note(OP_WRITE, traced(f)->file, at, bytes, (size_t)len);
	return traced(f)->real->pMethods->xWrite(traced(f)->real, bytes, len, at);
}

static int on_truncate(sqlite3_file *f, sqlite3_int64 len)
{
	note(OP_TRUNCATE, traced(f)->file, len, NULL, 0);
	return traced(f)->real->pMethods->xTruncate(traced(f)->real, len);
}

static int on_sync(sqlite3_file *f, int flags)
{
	note(OP_SYNC, traced(f)->file, 0, NULL, 0);
	return traced(f)->real->pMethods->xSync(traced(f)->real, flags);
}

static int on_close(sqlite3_file *f)
{
	return traced(f)->real->pMethods->xClose(traced(f)->real);
}

// What the journal has no part in goes straight through.
#define REAL traced(f)->real
static int on_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	return REAL->pMethods->xRead(REAL, p, n, at);
}
static int on_size(sqlite3_file *f, sqlite3_int64 *n)
{
	return REAL->pMethods->xFileSize(REAL, n);
}
static int on_lock(sqlite3_file *f, int how)
{
	return REAL->pMethods->xLock(REAL, how);
}
static int on_unlock(sqlite3_file *f, int how)
{
	return REAL->pMethods->xUnlock(REAL, how);
}
static int on_check(sqlite3_file *f, int *held)
{
	return REAL->pMethods->xCheckReservedLock(REAL, held);
}
static int on_control(sqlite3_file *f, int what, void *arg)
{
	return REAL->pMethods->xFileControl(REAL, what, arg);
}
static int on_sector(sqlite3_file *f)
{
	return SECTOR;
}
static int on_features(sqlite3_file *f)
{
	return 0; // promises nothing about writes that are cut short
}
static int on_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **p)
{
	return REAL->pMethods->xShmMap(REAL, page, size, extend, p);
}
static int on_shm_lock(sqlite3_file *f, int at, int n, int how)
{
	return REAL->pMethods->xShmLock(REAL, at, n, how);
}
static void on_shm_barrier(sqlite3_file *f)
{
	REAL->pMethods->xShmBarrier(REAL);
}
static int on_shm_unmap(sqlite3_file *f, int drop)
{
	return REAL->pMethods->xShmUnmap(REAL, drop);
}
#undef REAL

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = on_close,
	.xRead = on_read,
	.xWrite = on_write,
	.xTruncate = on_truncate,
	.xSync = on_sync,
	.xFileSize = on_size,
	.xLock = on_lock,
	.xUnlock = on_unlock,
	.xCheckReservedLock = on_check,
	.xFileControl = on_control,
	.xSectorSize = on_sector,
	.xDeviceCharacteristics = on_features,
	.xShmMap = on_shm_map,
	.xShmLock = on_shm_lock,
	.xShmBarrier = on_shm_barrier,
	.xShmUnmap = on_shm_unmap,
};

static int on_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
	struct traced *t = traced(f);
	int err;

	t->real = (sqlite3_file *)(void *)(t + 1);
	t->file = which(name);
	err = real->xOpen(real, name, t->real, flags, ret_flags);
	t->base.pMethods = err == SQLITE_OK ? &methods : NULL;
	return err;
}

static int on_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
	note(OP_DELETE, which(name), 0, NULL, 0);
	return real->xDelete(real, name, sync_dir);
}

static sqlite3_vfs *tracing_vfs(void)
{
	static sqlite3_vfs vfs;

	real = sqlite3_vfs_find(NULL);
	vfs = *real;
	vfs.zName = "traced";
	vfs.szOsFile = (int)sizeof(struct traced) + real->szOsFile;
	vfs.xOpen = on_open;
	vfs.xDelete = on_delete;
	return &vfs;
}

// ---- the disk after a cut

static void write_at(struct image *im, const struct op *op, size_t from, size_t to)
{
	assert_true((size_t)op->at + to <= FILE_MAX);
	if ((size_t)op->at + to > im->len) {
		memset(im->bytes + im->len, 0, (size_t)op->at + to - im->len);
		im->len = (size_t)op->at + to;
	}
	memcpy(im->bytes + op->at + from, op->bytes + from, to - from);
}

static void apply(struct image *im, const struct op *op)
{
	if (op->kind == OP_WRITE) {
		im->exists = true;
		write_at(im, op, 0, op->len);
	} else if (op->kind == OP_TRUNCATE) {
		im->len = (size_t)op->at;
	} else if (op->kind == OP_DELETE) {
		im->exists = false;
		im->len = 0;
	}
}

// One of the things that may have become of an operation that no sync had followed.
static void maybe_apply(struct image *im, const struct op *op, unsigned future)
{
	if (future == 0)
		return;
	if (future == 1 || op->kind != OP_WRITE) {
		if (future == 1 || rand() % 2 == 0)
			apply(im, op);
		return;
	}
	for (size_t at = 0; at < op->len; at += SECTOR) {
		size_t to = at + SECTOR < op->len ? at + SECTOR : op->len;

		if (rand() % 2 == 0) {
			im->exists = true;
			write_at(im, op, at, to);
		}
	}
}

// Files as after a cut before operation `cut`, under another name beside.
static void rebuild(unsigned cut, unsigned future, const char *name)
{
	static struct image im;
	static const char *const suffix[FILES] = {"", "-wal"};

	for (int file = 0; file < FILES; file++) {
		unsigned synced = 0;
		char path[96];
		FILE *f;

		im = first[file];
		// Removing a file is followed by a sync of the directory before anything else is
		// done.
		for (unsigned i = 0; i < cut; i++)
			if (ops[i].file == file &&
				(ops[i].kind == OP_SYNC || ops[i].kind == OP_DELETE))
				synced = i + 1;
		for (unsigned i = 0; i < cut; i++) {
			if (ops[i].file != file)
				continue;
			if (i < synced)
				apply(&im, &ops[i]);
			else
				maybe_apply(&im, &ops[i], future);
		}
		snprintf(path, sizeof(path), "%s%s", name, suffix[file]);
		unlink(path);
		if (!im.exists)
			continue;
		f = fopen(path, "w");
		assert_non_null(f);
		assert_int_equal(fwrite(im.bytes, 1, im.len, f), im.len);
		fclose(f);
	}
}

static void read_image(struct image *im, const char *path)
{
	FILE *f = fopen(path, "r");

	memset(im, 0, sizeof(*im));
	if (f == NULL)
		return;
	im->exists = true;
	im->len = fread(im->bytes, 1, FILE_MAX, f);
	fclose(f);
}

static int64_t ask(sqlite3 *raw, const char *sql)
{
	sqlite3_stmt *st;
	int64_t n;

	assert_int_equal(sqlite3_prepare_v2(raw, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

static void look(const char *name, const uint8_t token[16], unsigned cut, unsigned future)
{
	int64_t acked = 0, issued;
	struct store_token t;
	struct store *s;
	sqlite3 *raw;

	for (unsigned i = 0; i < n_acked; i++)
		acked += acked_at[i] <= cut;
	if (store_open(name, false, key, &s) < 0)
		fail_msg("cut at %u of %u, future %u: the database does not open", cut, n_ops,
			future);
	assert_int_equal(store_find_token(s, token, &t), 0);
	store_close(s);
	assert_int_equal(sqlite3_open(name, &raw), SQLITE_OK);
	issued = ask(raw, "SELECT count(*) FROM certificates");
	if (ask(raw, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'") !=
		1)
		fail_msg("cut at %u, future %u: the database is damaged", cut, future);
	if (issued != t.uses || ask(raw, "SELECT count(*) FROM gateways") != issued)
		fail_msg("cut at %u, future %u: %d uses, %d certificates", cut, future, (int)t.uses,
			(int)issued);
	if (issued < acked || issued > acked + 1)
		fail_msg("cut at %u, future %u: %d answered, %d there", cut, future, (int)acked,
			(int)issued);
	sqlite3_close(raw);
}

static void a_cut_at_any_write_leaves_the_old_or_the_new_state(void **)
{
	struct authority_answer a;
	struct store_token t;
	unsigned looks = 0;
	char after[96], gateway[64], wal[96];
	struct bench b;
	uint8_t pk[32];

	open_bench(&b, false);
	add_token(&b, &t, ENROLMENTS, 0);
	close_bench(&b);
	snprintf(wal, sizeof(wal), "%s-wal", db);
	snprintf(after, sizeof(after), "%s/after.db", dir);
	read_image(&first[0], db);
	read_image(&first[1], wal);

	sqlite3_vfs_register(tracing_vfs(), 1);
	for (unsigned i = 0; i < ENROLMENTS; i++) {
		if (i % REOPEN == 0)
			open_bench(&b, false);
		fresh_key(pk);
		snprintf(gateway, sizeof(gateway), "cut%u.example", i);
		assert_int_equal(authority_enrol(&b.ops, t.id, gateway, pk, clock_unix_s(), &a), 0);
		assert_int_equal(a.refusal, 0);
		acked_at[n_acked++] = n_ops;
		if (i % REOPEN == REOPEN - 1)
			close_bench(&b);
	}
	sqlite3_vfs_register(real, 1);
	srand(1);
	for (unsigned cut = 0; cut <= n_ops; cut += stride)
		for (unsigned future = 0; future < FUTURES; future++, looks++) {
			rebuild(cut, future, after);
			look(after, t.id, cut, future);
		}
	printf("%u disks after cuts in %u writes and syncs: each the old or the new state\n", looks,
		n_ops);
	assert_true(looks > 50);
}

// The same look at a disk that says "synced" and is not, so that this test can fail.
static void a_disk_that_lies_about_syncs_is_caught_by_this_test(void **)
{
	char after[96];
	sqlite3 *raw;

	snprintf(after, sizeof(after), "%s/lied.db", dir);
	for (unsigned i = 0; i < n_ops; i++)
		if (ops[i].kind == OP_SYNC)
			ops[i].file = -1;
	rebuild(n_ops, 0, after);
	assert_int_equal(sqlite3_open(after, &raw), SQLITE_OK);
	assert_true(ask(raw, "SELECT count(*) FROM certificates") < ENROLMENTS);
	sqlite3_close(raw);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cut_at_any_write_leaves_the_old_or_the_new_state),
		cmocka_unit_test(a_disk_that_lies_about_syncs_is_caught_by_this_test),
	};

	if (argc > 1)
		stride = (unsigned)strtoul(argv[1], NULL, 10);
	if (sodium_init() < 0 || stride == 0)
		return 2;
	return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
