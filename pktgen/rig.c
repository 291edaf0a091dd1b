// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <rte_cycles.h>
#include <rte_eal.h>

#include "pktgen/talk.h"

#define FRAME_USUAL  1518
#define LEARN_ROUNDS 3
#define LEARN_MS     50
#define LISTEN_MS    5000
#define UNKNOWN_DMAC ((uint8_t[6]){0x02, 0, 0, 0, 0, 0x02})

static struct capture capture;

static void note(const struct options *o, const char *text)
{
	if (!o->quiet)
		fprintf(stderr, "%s\n", text);
}

// ---------------------------------------------------------------- ports

static unsigned frame_wanted(const struct options *o)
{
	unsigned most = FRAME_CTL_BYTES;

	if (o->command == COMMAND_RECEIVE && o->size_text == NULL)
		return FRAME_USUAL;
	if (mix_most(&o->mix) > most)
		most = mix_most(&o->mix);
	return o->pcap != NULL && capture.longest > most ? capture.longest : most;
}

static int open_ports(const struct options *o, struct rig *rig, char *why)
{
	struct device_spec specs[DEVICES_MAX];
	const char *texts[DEVICES_MAX] = {o->tx != NULL ? o->tx : o->rx, o->rx};
	unsigned n = o->tx != NULL && o->rx != NULL && strcmp(o->tx, o->rx) != 0 ? 2 : 1;
	unsigned most = SIZE_MOST, wanted = o->pcap != NULL ? FRAME_USUAL : frame_wanted(o);
	int err;

	for (unsigned i = 0; i < n; i++) {
		unsigned takes;

		if (device_spec_parse(texts[i], &specs[i], why) < 0)
			return EXIT_USAGE;
		if (device_frame_most(&specs[i], wanted, &takes, why) < 0)
			return EXIT_PORT;
		most = takes < most ? takes : most;
	}
	if (o->pcap != NULL && capture_read(o->pcap, most, &capture, why) < 0)
		return EXIT_INPUT;
	if (o->rate.kind == RATE_RECORDED && capture.seconds == 0) {
		snprintf(why, RIG_WHY_BYTES,
			"%s: all its frames have one time: give another --rate", o->pcap);
		return EXIT_INPUT;
	}
	wanted = frame_wanted(o);
	if (o->command == COMMAND_RECEIVE && o->size_text == NULL)
		wanted = most;
	err = device_eal_start(specs, n, &o->cores, wanted > most ? wanted : most, why);
	if (err < 0)
		return err == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	for (unsigned i = 0; i < n; i++) {
		if (device_open(&specs[i], i, wanted, &rig->devices[i], why) < 0)
			return EXIT_PORT;
		rig->n_devices++;
	}
	return 0;
}

// ---------------------------------------------------------------- directions

static int build_heads(struct direction *d)
{
	d->heads = aligned_alloc(64, d->spec.n_flows * sizeof(d->heads[0]));
	if (d->heads == NULL)
		return EXIT_FAILED;
	for (uint32_t i = 0; i < d->spec.n_flows; i++)
		frame_head_build(&d->spec, i, &d->heads[i]);
	return 0;
}

static int add_direction(struct rig *rig, const struct frame_spec *spec, const struct device *tx,
	const struct device *rx)
{
	struct direction *d = &rig->dirs[rig->n_dirs++];

	*d = (struct direction){.tx = tx, .rx = rx, .spec = *spec};
	if (rx != NULL) {
		// A receiver does not know beforehand how many streams there will be; what is not
		// used of the table is never touched.
		d->n_streams = tx != NULL ? spec->n_flows : FRAME_STREAMS_MAX;
		d->accounts = calloc(d->n_streams, sizeof(d->accounts[0]));
		if (d->accounts == NULL)
			return EXIT_FAILED;
	}
	return tx != NULL ? build_heads(d) : 0;
}

static struct frame_spec reversed(const struct frame_spec *spec)
{
	struct frame_spec back = *spec;

	memcpy(back.smac, spec->dmac, 6);
	memcpy(back.dmac, spec->smac, 6);
	back.n_smacs = spec->n_dmacs;
	back.n_dmacs = spec->n_smacs;
	back.sip = spec->dip;
	back.dip = spec->sip;
	return back;
}

// Where the receiver is that this process is to send to.
static int find_receiver(const struct options *o, const struct device *dev, struct frame_spec *spec,
	const volatile sig_atomic_t *stop, char *why)
{
	struct talk_heard heard;

	note(o, "waiting for a receiver to say hello (or give --dmac)");
	for (unsigned ms = 0; ms < LISTEN_MS && *stop == 0; ms += 100) {
		if (talk_listen(dev, spec->dport, 100, &heard)) {
			memcpy(spec->dmac, heard.mac, 6);
			return 0;
		}
	}
	snprintf(why, RIG_WHY_BYTES,
		"no receiver said hello on %s within %d s: start `postern-pktgen receive` at the "
		"other end first, or give its address with --dmac",
		o->tx, LISTEN_MS / 1000);
	return EXIT_NOBODY;
}

static int make_directions(const struct options *o, struct rig *rig, char *why)
{
	const struct device *tx = o->tx != NULL ? &rig->devices[0] : NULL;
	const struct device *rx = o->rx != NULL ? &rig->devices[rig->n_devices - 1] : NULL;
	struct frame_spec spec = o->spec, back;
	int err = 0;

	if (!o->has_smac && tx != NULL)
		memcpy(spec.smac, tx->mac, 6);
	if (!o->has_dmac && rx != NULL && rx != tx)
		memcpy(spec.dmac, rx->mac, 6);
	else if (!o->has_dmac && rx != NULL)
		memcpy(spec.dmac, UNKNOWN_DMAC, 6);
	else if (!o->has_dmac)
		err = find_receiver(o, tx, &spec, rig->stop, why);
	if (err == 0) {
		snprintf(why, RIG_WHY_BYTES, "no memory for %u flows", spec.n_flows);
		err = add_direction(rig, &spec, tx, rx);
	}
	if (err == 0 && o->bidir) {
		back = reversed(&spec);
		err = add_direction(rig, &back, rx, tx);
	}
	return err;
}

// Switches on the way learn both sides' addresses before anything is counted.
static void learn(const struct options *o, struct rig *rig)
{
	const struct direction *d = &rig->dirs[0];
	struct frame_spec back = reversed(&d->spec);
	struct talk_heard heard;
	bool there = false, here = false;

	for (unsigned round = 0; round < LEARN_ROUNDS; round++) {
		talk_hello(d->tx, &d->spec);
		there = talk_listen(d->rx, d->spec.dport, LEARN_MS, &heard) || there;
		if (d->rx == d->tx)
			continue;
		talk_hello(d->rx, &back);
		here = talk_listen(d->tx, d->spec.dport, LEARN_MS, &heard) || here;
	}
	if (!there)
		note(o, "warning: what the sending port says does not reach the receiving port");
	else if (!here && d->rx != d->tx)
		note(o, "warning: what the receiving port says does not reach the sending port");
}

int rig_open(const struct options *o, const volatile sig_atomic_t *stop, struct rig *rig,
	char why[RIG_WHY_BYTES])
{
	int err;

	*rig = (struct rig){
		.mix = o->mix,
		.settle_s = o->settle_s,
		.receive_s = o->duration_s,
		.progress = o->quiet ? NULL : stderr,
		.live = isatty(STDERR_FILENO) == 1,
		.stop = stop,
		.n_cores = o->cores.n,
	};
	err = open_ports(o, rig, why);
	if (err == 0)
		err = make_directions(o, rig, why);
	if (err != 0)
		return err;
	rig->hz = rte_get_tsc_hz();
	if (o->pcap != NULL) {
		rig->capture = &capture;
		if (capture.n_overwritten > 0 && !o->quiet)
			fprintf(stderr,
				"%u of %u frames are too long for %d more bytes: their last ones "
				"are replaced\n",
				capture.n_overwritten, capture.n, FRAME_PROBE_BYTES);
	}
	if (o->learn && o->tx != NULL && o->rx != NULL)
		learn(o, rig);
	return 0;
}

void rig_close(struct rig *rig)
{
	for (unsigned i = 0; i < rig->n_dirs; i++) {
		free(rig->dirs[i].heads);
		free(rig->dirs[i].accounts);
	}
	for (unsigned i = 0; i < rig->n_devices; i++)
		device_close(&rig->devices[i]);
	capture_free(&capture);
	if (rig->n_devices > 0)
		(void)rte_eal_cleanup();
}
