// SPDX-License-Identifier: BSD-3-Clause
// The signer's decisions in this process, then the program itself with its sandbox.
//
// SIGNER_EXE and SIGNER_TEST_EXE name the two builds of the program.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "controlplane/common/signer.h"
#include "controlplane/signer/serve.h"
#include "controlplane/signer/test_hook.h"
#include "tests/unit/controlplane/scratch.h"

static uint8_t seed[32] = "0123456789abcdef0123456789abcde";
static uint8_t pk[32], sk[64];

static struct serve fresh(void)
{
	struct serve s;

	memset(&s, 0, sizeof(s));
	serve_init(&s, seed, sk, 1000);
	return s;
}

static struct signer_request request_of(enum signer_op op, const char *label, uint32_t len)
{
	struct signer_request q = {
		.version = SIGNER_MSG_VERSION, .op = (uint16_t)op, .seq = 7, .len = len};

	memcpy(q.label, label, strnlen(label, SIGNER_LABEL_BYTES));
	memset(q.body, 'm', len < SIGNER_MESSAGE_MAX ? len : SIGNER_MESSAGE_MAX);
	return q;
}

static int32_t status_of(struct serve *s, const struct signer_request *q)
{
	struct signer_reply r;

	assert_true(serve_request(s, q, sizeof(*q), 1000, &r));
	assert_int_equal(r.op, q->op + 1);
	assert_int_equal(r.seq, q->seq);
	if (r.status != 0)
		assert_true(r.len == 0 && sodium_is_zero(r.body, sizeof(r.body)));
	return r.status;
}

static void labels_that_are_not_on_the_list_are_refused(void **state)
{
	static const char *const bad[] = {"", "s", "c", "inten", "intents", "Intent", "tbs",
		"hedge", "state", "revocations", "keyfile", "postern/1 S", "sixteen-bytes-xx",
		"csr "};
	static const char *const bad_secret[] = {
		"", "intent", "S", "C", "csr", "rollover", "hedge2"};
	struct serve s = fresh();
	struct signer_request q;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		q = request_of(SIGNER_OP_SIGN, bad[i], 10);
		assert_int_equal(status_of(&s, &q), -EACCES);
	}
	for (size_t i = 0; i < sizeof(bad_secret) / sizeof(bad_secret[0]); i++) {
		q = request_of(SIGNER_OP_SECRET, bad_secret[i], 0);
		assert_int_equal(status_of(&s, &q), -EACCES);
	}
}

static void label_with_bytes_behind_its_nul_is_refused(void **state)
{
	struct serve s = fresh();
	struct signer_request q = request_of(SIGNER_OP_SIGN, "S", 10);

	for (size_t i = 2; i < SIGNER_LABEL_BYTES; i++) {
		q.label[i] = 'x';
		assert_int_equal(status_of(&s, &q), -EACCES);
		q.label[i] = '\0';
	}
	assert_int_equal(status_of(&s, &q), 0);
}

static void oversize_message_is_refused(void **state)
{
	static const uint32_t sizes[] = {SIGNER_MESSAGE_MAX + 1, 1056, 65536, UINT32_MAX};
	struct serve s = fresh();
	struct signer_request q;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		q = request_of(SIGNER_OP_SIGN, "S", sizes[i]);
		assert_int_equal(status_of(&s, &q), -EMSGSIZE);
	}
	q = request_of(SIGNER_OP_SIGN, "S", SIGNER_MESSAGE_MAX);
	assert_int_equal(status_of(&s, &q), 0);
	q = request_of(SIGNER_OP_SECRET, "hedge", 1);
	assert_int_equal(status_of(&s, &q), -EMSGSIZE);
}

static void message_of_any_other_length_ends_the_signer(void **state)
{
	struct serve s = fresh();
	struct signer_request q = request_of(SIGNER_OP_SIGN, "S", 10);
	struct signer_reply r;
	uint8_t bytes[sizeof(q) + 1] = {0};

	memcpy(bytes, &q, sizeof(q));
	for (size_t len = 0; len <= sizeof(bytes); len++)
		assert_int_equal(serve_request(&s, bytes, len, 1000, &r), len == sizeof(q));
}

static void requests_against_the_rules_end_the_signer(void **state)
{
	struct serve s = fresh();
	struct signer_reply r;
	struct signer_request q;

	for (unsigned op = 0; op <= UINT16_MAX; op++) {
		bool known =
			op == SIGNER_OP_PUBLIC || op == SIGNER_OP_SIGN || op == SIGNER_OP_SECRET;

		q = request_of((enum signer_op)op, "", 0);
		assert_int_equal(serve_request(&s, &q, sizeof(q), 1000, &r), known);
	}
	q = request_of(SIGNER_OP_SIGN, "S", 10);
	q.version++;
	assert_false(serve_request(&s, &q, sizeof(q), 1000, &r));
	q = request_of(SIGNER_OP_SIGN, "S", 10);
	q.zero = 1;
	assert_false(serve_request(&s, &q, sizeof(q), 1000, &r));
	q = request_of(SIGNER_OP_SIGN, "S", 10);
	q.body[10] = 1; // behind the message
	assert_false(serve_request(&s, &q, sizeof(q), 1000, &r));
	q = request_of(SIGNER_OP_PUBLIC, "S", 0);
	assert_false(serve_request(&s, &q, sizeof(q), 1000, &r));
}

static void open_request_without_terminated_paths_is_refused(void **state)
{
	struct signer_open open = {.key_file = "/k", .passphrase_file = "/p"}, out;
	struct signer_request q = request_of(SIGNER_OP_OPEN, "", sizeof(open)), got;

	memcpy(q.body, &open, sizeof(open));
	assert_true(serve_parse_open(&q, sizeof(q), &got, &out));
	assert_string_equal(out.passphrase_file, "/p");
	for (unsigned i = 0; i < 3; i++) {
		memcpy(q.body, &open, sizeof(open));
		memset(q.body + i * SIGNER_PATH_MAX, 'a', SIGNER_PATH_MAX);
		assert_false(serve_parse_open(&q, sizeof(q), &got, &out));
	}
	memcpy(q.body, &open, sizeof(open));
	q.op = SIGNER_OP_SIGN;
	assert_false(serve_parse_open(&q, sizeof(q), &got, &out));
	q.op = SIGNER_OP_OPEN;
	q.len--;
	assert_false(serve_parse_open(&q, sizeof(q), &got, &out));
}

static unsigned take_all(struct serve_bucket *b, uint64_t now_us)
{
	unsigned n = 0;

	while (serve_bucket_take(b, now_us))
		n++;
	return n;
}

static void bucket_gives_its_burst_then_its_rate(void **state)
{
	struct serve s = fresh();
	struct serve_bucket *b = &s.bucket;

	assert_int_equal(take_all(b, 1000), SIGNER_BUCKET_BURST);
	assert_int_equal(take_all(b, 1000 + 1999), 0);
	assert_int_equal(take_all(b, 1000 + 2000), 1);
	assert_int_equal(take_all(b, 1000 + 1002000), 500);
	assert_int_equal(take_all(b, 0), 0); // a clock that goes back gives nothing
	assert_int_equal(take_all(b, 1000 + 1002000), 0);
	assert_int_equal(take_all(b, UINT64_MAX), SIGNER_BUCKET_BURST);
	assert_int_equal(take_all(b, UINT64_MAX), 0);
}

static void empty_bucket_refuses_signatures_and_secrets(void **state)
{
	struct serve s = fresh();
	struct signer_request q;

	take_all(&s.bucket, 1000);
	q = request_of(SIGNER_OP_SIGN, "S", 10);
	assert_int_equal(status_of(&s, &q), -EAGAIN);
	q = request_of(SIGNER_OP_SECRET, "hedge", 0);
	assert_int_equal(status_of(&s, &q), -EAGAIN);
	q = request_of(SIGNER_OP_PUBLIC, "", 0);
	assert_int_equal(status_of(&s, &q), 0);
}

static void signature_holds_under_its_own_label_only(void **state)
{
	static const char *const labels[] = {"intent", "S", "C", "csr", "rollover"};
	struct serve s = fresh();

	for (size_t i = 0; i < 5; i++) {
		struct signer_request q = request_of(SIGNER_OP_SIGN, labels[i], 99);
		struct signer_reply r;

		assert_true(serve_request(&s, &q, sizeof(q), 1000, &r));
		assert_int_equal(r.len, 64);
		for (size_t j = 0; j < 5; j++) {
			uint8_t m[256];
			size_t n = (size_t)sprintf((char *)m, "postern/1 %s", labels[j]) + 1;

			memset(m + n, 'm', 99);
			assert_int_equal(crypto_sign_verify_detached(r.body, m, n + 99, pk),
				i == j ? 0 : -1);
		}
		assert_int_equal(crypto_sign_verify_detached(r.body, q.body, 99, pk), -1);
	}
}

static void secrets_differ_by_label_and_are_kdf_of_the_seed(void **state)
{
	struct serve s = fresh();
	struct signer_request q = request_of(SIGNER_OP_SECRET, "hedge", 0);
	struct signer_reply hedge, other;
	uint8_t want[32];

	assert_true(serve_request(&s, &q, sizeof(q), 1000, &hedge));
	q = request_of(SIGNER_OP_SECRET, "state", 0);
	assert_true(serve_request(&s, &q, sizeof(q), 1000, &other));
	assert_memory_not_equal(hedge.body, other.body, 32);
	crypto_kdf_derive_from_key(want, sizeof(want), 1, "PSTNsign", seed);
	assert_memory_equal(hedge.body, want, sizeof(want));
	crypto_kdf_derive_from_key(want, sizeof(want), 2, "PSTNsign", seed);
	assert_memory_equal(other.body, want, sizeof(want));
}

// ---- the program

static int make_dir(void **state)
{
	if (scratch_make(state) < 0)
		return -1;
	scratch_write("cred", "01234567890123456789012345678901", 32, 0600);
	if (symlink(getenv("SIGNER_TEST_EXE"), scratch_path("postern-signer")) < 0)
		return -1;
	setenv("POSTERN_LIBEXEC", scratch_dir, 1);
	return 0;
}

static struct identity_source by_credential(void)
{
	return (struct identity_source){
		.key_file = scratch_path("id.key"), .key_credential = scratch_path("cred")};
}

static struct signer *start(void)
{
	struct identity_source src = by_credential();
	struct signer *s;

	assert_int_equal(signer_spawn(&s), IDENTITY_OK);
	if (access(src.key_file, F_OK) == 0)
		assert_int_equal(signer_open_key(s, &src), IDENTITY_OK);
	else
		assert_int_equal(signer_generate(s, &src), IDENTITY_OK);
	return s;
}

// How the signer ended; signer_close cannot tell any more.
static int end_of(struct signer *s)
{
	siginfo_t info = {0};

	assert_int_equal(waitid(P_PID, (id_t)signer_pid(s), &info, WEXITED | WNOWAIT), 0);
	return info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
}

static void missing_program_is_told(void **state)
{
	struct signer *s;

	setenv("POSTERN_LIBEXEC", "/nonexistent", 1);
	assert_int_equal(signer_spawn(&s), IDENTITY_ERR_SIGNER_MISSING);
	unsetenv("POSTERN_LIBEXEC"); // beside this test there is none either
	assert_int_equal(signer_spawn(&s), IDENTITY_ERR_SIGNER_MISSING);
}

static void program_that_is_no_signer_is_told(void **state)
{
	struct identity_source src = by_credential();
	struct signer *s;

	unlink(scratch_path("postern-signer"));
	assert_int_equal(symlink("/bin/true", scratch_path("postern-signer")), 0);
	assert_int_equal(signer_spawn(&s), IDENTITY_OK);
	assert_int_equal(signer_open_key(s, &src), IDENTITY_ERR_SIGNER_GONE);
	signer_close(s);
}

static void key_errors_come_through_and_end_the_signer(void **state)
{
	struct identity_source src = by_credential();
	struct signer *s;
	uint8_t out[32];

	assert_int_equal(signer_spawn(&s), IDENTITY_OK);
	assert_int_equal(signer_open_key(s, &src), IDENTITY_ERR_NO_FILE);
	assert_int_equal(signer_public(s, out), -EPIPE);
	assert_int_equal(end_of(s), 0);
	signer_close(s);
	signer_close(start());
	scratch_write("cred", "11234567890123456789012345678901", 32, 0600);
	assert_int_equal(signer_spawn(&s), IDENTITY_OK);
	assert_int_equal(signer_open_key(s, &src), IDENTITY_ERR_WRONG_PASSPHRASE);
	signer_close(s);
	assert_int_equal(signer_spawn(&s), IDENTITY_OK);
	assert_int_equal(signer_generate(s, &src), IDENTITY_ERR_EXISTS);
	signer_close(s);
}

static void paths_that_do_not_fit_are_refused(void **state)
{
	char path[SIGNER_PATH_MAX + 1];
	struct identity_source src = by_credential();
	struct signer *s;

	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[SIGNER_PATH_MAX] = '\0';
	src.key_file = path;
	assert_int_equal(signer_spawn(&s), IDENTITY_OK);
	assert_int_equal(signer_open_key(s, &src), IDENTITY_ERR_PATH);
	signer_close(s);
}

static void asking_before_opening_or_opening_twice_ends_it(void **state)
{
	struct identity_source src = by_credential();
	struct signer *s;
	uint8_t out[32];

	assert_int_equal(signer_spawn(&s), IDENTITY_OK);
	assert_int_equal(signer_public(s, out), -EPIPE);
	signer_close(s);
	s = start();
	assert_int_equal(signer_open_key(s, &src), IDENTITY_ERR_SIGNER_GONE);
	assert_int_equal(end_of(s), 0);
	signer_close(s);
}

static void message_of_wrong_length_ends_the_program(void **state)
{
	static const size_t lengths[] = {
		1, sizeof(struct signer_request) - 1, sizeof(struct signer_request) + 1, 20000};
	static uint8_t bytes[20000];

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct signer *s = start();
		uint8_t out[32];

		assert_int_equal(send(signer_fd(s), bytes, lengths[i], 0), lengths[i]);
		assert_int_equal(end_of(s), 0);
		assert_int_equal(signer_public(s, out), -EPIPE);
		signer_close(s);
	}
}

static void forbidden_system_calls_are_death(void **state)
{
	struct signer_request q = {.version = SIGNER_MSG_VERSION, .op = SIGNER_OP_TEST, .len = 1};

	for (int attempt = 0; attempt < TEST_N_ATTEMPTS; attempt++) {
		struct signer *s = start();

		q.body[0] = (uint8_t)attempt;
		assert_int_equal(send(signer_fd(s), &q, sizeof(q), 0), sizeof(q));
		if (end_of(s) != -SIGSYS)
			fail_msg("attempt %d ended with %d", attempt, end_of(s));
		signer_close(s);
	}
	// The control: with no forbidden call the hook gets to its end, so the above can fail.
	struct signer *s = start();

	q.body[0] = TEST_NOTHING;
	assert_int_equal(send(signer_fd(s), &q, sizeof(q), 0), sizeof(q));
	assert_int_equal(end_of(s), 42);
	signer_close(s);
}

static void installed_program_has_no_test_request(void **state)
{
	struct signer_request q = {.version = SIGNER_MSG_VERSION, .op = SIGNER_OP_TEST, .len = 1};
	struct signer *s;

	unlink(scratch_path("postern-signer"));
	assert_int_equal(symlink(getenv("SIGNER_EXE"), scratch_path("postern-signer")), 0);
	s = start();
	q.body[0] = TEST_NOTHING;
	assert_int_equal(send(signer_fd(s), &q, sizeof(q), 0), sizeof(q));
	assert_int_equal(end_of(s), 0);
	signer_close(s);
}

// The text after "key:" in /proc/PID/status.
static void proc_status(pid_t pid, const char *key, char *value, size_t size)
{
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	value[0] = '\0';
	while (fgets(line, sizeof(line), f) != NULL) {
		size_t n = strlen(key);

		if (strncmp(line, key, n) == 0 && line[n] == ':')
			snprintf(value, size, "%.*s", (int)strcspn(line + n + 2, "\n"),
				line + n + 2);
	}
	fclose(f);
}

static void signer_is_filtered_unprivileged_and_has_socket_and_stderr(void **state)
{
	struct signer *s = start();
	char value[128], path[64];
	struct dirent *e;
	unsigned n_fds = 0;
	DIR *d;

	proc_status(signer_pid(s), "Seccomp", value, sizeof(value));
	assert_string_equal(value, "2");
	proc_status(signer_pid(s), "NoNewPrivs", value, sizeof(value));
	assert_string_equal(value, "1");
	proc_status(signer_pid(s), "CapEff", value, sizeof(value));
	assert_string_equal(value, "0000000000000000");
	proc_status(signer_pid(s), "CapPrm", value, sizeof(value));
	assert_string_equal(value, "0000000000000000");
	if (geteuid() == 0) { // its /proc entries belong to root, since it is not dumpable
		snprintf(path, sizeof(path), "/proc/%d/fd", (int)signer_pid(s));
		d = opendir(path);
		assert_non_null(d);
		while ((e = readdir(d)) != NULL) {
			if (e->d_name[0] == '.')
				continue;
			n_fds++;
			assert_true(strcmp(e->d_name, "2") == 0 || strcmp(e->d_name, "3") == 0);
		}
		closedir(d);
		assert_int_equal(n_fds, 2);
	}
	signer_close(s);
}

static void root_becomes_the_user_it_is_told(void **state)
{
	struct identity_source src = by_credential();
	struct signer *s;
	char value[128];
	uint8_t out[32];

	if (geteuid() != 0)
		skip();
	assert_int_equal(signer_spawn(&s), IDENTITY_OK);
	signer_set_user(s, 65534, 65533);
	assert_int_equal(signer_generate(s, &src), IDENTITY_OK);
	proc_status(signer_pid(s), "Uid", value, sizeof(value));
	assert_string_equal(value, "65534\t65534\t65534\t65534");
	proc_status(signer_pid(s), "Gid", value, sizeof(value));
	assert_string_equal(value, "65533\t65533\t65533\t65533");
	proc_status(signer_pid(s), "Groups", value, sizeof(value));
	assert_int_equal(strspn(value, " "), strlen(value));
	assert_int_equal(signer_public(s, out), 0);
	signer_close(s);
	assert_int_equal(signer_spawn(&s), IDENTITY_OK);
	signer_set_user(s, 65534, 0); // root's group would stay
	assert_int_equal(signer_open_key(s, &src), IDENTITY_ERR_SANDBOX);
	signer_close(s);
}

// Does this process's memory hold these bytes? -1 where its memory cannot be read.
static int memory_holds(pid_t pid, const uint8_t *needle, size_t len)
{
	char path[64], line[512];
	int mem, found = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	mem = open(path, O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "r");
	if (mem < 0 || maps == NULL)
		return -1;
	while (fgets(line, sizeof(line), maps) != NULL) {
		uint64_t from, to;
		char r;
		uint8_t *copy;
		ssize_t n;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %c", &from, &to, &r) != 3 || r != 'r' ||
			to - from > (64u << 20))
			continue;
		copy = malloc(to - from);
		n = pread(mem, copy, to - from, (off_t)from);
		for (ssize_t i = 0; n > 0 && i + (ssize_t)len <= n; i++)
			found += copy[i] == needle[0] && memcmp(copy + i, needle, len) == 0;
		sodium_memzero(copy, to - from); // or the search would find its own copies
		free(copy);
	}
	fclose(maps);
	close(mem);
	return found;
}

// In a child, so that the key is never in this process: 0 not found, 1 found, 2 not readable, 3
// other.
static int child_looks_for_key_in(pid_t pid)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		struct identity_source src = by_credential();
		uint8_t *key = malloc(96);
		int n;

		if (identity_open(&src, IDENTITY_USE_NODE, key, key + 32) != IDENTITY_OK)
			_exit(3);
		n = memory_holds(pid != 0 ? pid : getpid(), key, 32);
		_exit(n < 0 ? 2 : n > 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void key_is_not_in_the_clients_memory(void **state)
{
	struct signer *s = start();
	uint8_t out[64];
	int found;

	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	assert_int_equal(signer_public(s, out), 0);
	assert_int_equal(signer_sign(s, "S", "x", 1, out), 0);
	assert_int_equal(child_looks_for_key_in(0), 1); // the control: it can find what is there
	found = child_looks_for_key_in(getpid());
	if (found == 2)
		skip();
	assert_int_equal(found, 0);
	if (geteuid() == 0) // root may look where nobody else may
		assert_int_equal(child_looks_for_key_in(signer_pid(s)), 1);
	signer_close(s);
}

static void killed_signer_gives_a_plain_error(void **state)
{
	struct signer *s = start();
	uint8_t sig[64];

	kill(signer_pid(s), SIGKILL);
	assert_int_equal(end_of(s), -SIGKILL);
	assert_int_equal(signer_sign(s, "S", "x", 1, sig), -EPIPE);
	assert_int_equal(signer_sign(s, "S", "x", 1, sig), -EPIPE);
	signer_close(s);
}

static void stopped_signer_times_out_and_is_ended(void **state)
{
	struct signer *s = start();
	pid_t pid = signer_pid(s);
	uint8_t sig[64];

	kill(pid, SIGSTOP);
	assert_int_equal(signer_sign(s, "S", "x", 1, sig), -ETIMEDOUT);
	assert_int_equal(signer_sign(s, "S", "x", 1, sig), -EPIPE);
	signer_close(s);
	assert_int_equal(kill(pid, 0), -1);
}

static void flood_of_requests_meets_the_bucket(void **state)
{
	struct signer *s = start();
	unsigned refused = 0;
	uint8_t sig[64];

	for (unsigned i = 0; i < SIGNER_BUCKET_BURST + 2000 && refused == 0; i++)
		refused += signer_sign(s, "S", "x", 1, sig) == -EAGAIN;
	assert_int_equal(refused, 1);
	usleep(20000);
	assert_int_equal(signer_sign(s, "S", "x", 1, sig), 0);
	signer_close(s);
}

static void client_refuses_what_cannot_be_sent(void **state)
{
	static uint8_t m[SIGNER_MESSAGE_MAX + 1];
	struct signer *s = start();
	uint8_t sig[64];

	assert_int_equal(signer_sign(s, "a-label-of-16-by", m, 1, sig), -EACCES);
	assert_int_equal(signer_sign(s, "S", m, sizeof(m), sig), -EMSGSIZE);
	assert_int_equal(signer_sign(s, "nope", m, 1, sig), -EACCES);
	assert_int_equal(signer_sign(s, "S", m, sizeof(m) - 1, sig), 0);
	signer_close(s);
}

static void passphrase_key_is_made_opened_and_signs_the_same(void **state)
{
	static const struct identity_kdf cheap = {.passes = 2, .memory_bytes = 65536};
	struct identity_source src = {.key_file = scratch_path("p.key"),
		.passphrase_file = scratch_path("pass"),
		.kdf = &cheap};
	uint8_t file[IDENTITY_FILE_BYTES];
	uint8_t first[32], again[32], secret1[32], secret2[32], sig[64];
	struct signer *s;

	scratch_write("pass", "correct horse\n", 14, 0600);
	assert_int_equal(signer_spawn(&s), IDENTITY_OK);
	assert_int_equal(signer_generate(s, &src), IDENTITY_OK);
	assert_int_equal(signer_public(s, first), 0);
	assert_int_equal(signer_secret(s, "state", secret1), 0);
	signer_close(s);
	scratch_read("p.key", file, sizeof(file));
	assert_int_equal(file[12], 2); // the cost that was asked for
	src.kdf = NULL;
	assert_int_equal(signer_spawn(&s), IDENTITY_OK);
	assert_int_equal(signer_open_key(s, &src), IDENTITY_OK);
	assert_int_equal(signer_public(s, again), 0);
	assert_int_equal(signer_secret(s, "state", secret2), 0);
	assert_memory_equal(first, again, sizeof(first));
	assert_memory_equal(secret1, secret2, sizeof(secret1));
	assert_int_equal(signer_sign(s, "csr", "abc", 3, sig), 0);
	assert_int_equal(
		crypto_sign_verify_detached(sig, (const uint8_t *)"postern/1 csr\0abc", 17, first),
		0);
	signer_close(s);
}

#define PROGRAM(f) cmocka_unit_test_setup_teardown(f, make_dir, scratch_remove)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_that_are_not_on_the_list_are_refused),
		cmocka_unit_test(label_with_bytes_behind_its_nul_is_refused),
		cmocka_unit_test(oversize_message_is_refused),
		cmocka_unit_test(message_of_any_other_length_ends_the_signer),
		cmocka_unit_test(requests_against_the_rules_end_the_signer),
		cmocka_unit_test(open_request_without_terminated_paths_is_refused),
		cmocka_unit_test(bucket_gives_its_burst_then_its_rate),
		cmocka_unit_test(empty_bucket_refuses_signatures_and_secrets),
		cmocka_unit_test(signature_holds_under_its_own_label_only),
		cmocka_unit_test(secrets_differ_by_label_and_are_kdf_of_the_seed),
		PROGRAM(missing_program_is_told),
		PROGRAM(program_that_is_no_signer_is_told),
		PROGRAM(key_errors_come_through_and_end_the_signer),
		PROGRAM(paths_that_do_not_fit_are_refused),
		PROGRAM(asking_before_opening_or_opening_twice_ends_it),
		PROGRAM(message_of_wrong_length_ends_the_program),
		PROGRAM(forbidden_system_calls_are_death),
		PROGRAM(installed_program_has_no_test_request),
		PROGRAM(signer_is_filtered_unprivileged_and_has_socket_and_stderr),
		PROGRAM(root_becomes_the_user_it_is_told),
		PROGRAM(key_is_not_in_the_clients_memory),
		PROGRAM(killed_signer_gives_a_plain_error),
		PROGRAM(stopped_signer_times_out_and_is_ended),
		PROGRAM(flood_of_requests_meets_the_bucket),
		PROGRAM(client_refuses_what_cannot_be_sent),
		PROGRAM(passphrase_key_is_made_opened_and_signs_the_same),
	};

	if (sodium_init() < 0)
		return 1;
	crypto_sign_seed_keypair(pk, sk, seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
