/* Counts the instructions that a program under qemu-user executes between two marker system calls.
 *
 *     gcc -shared -fPIC -O2 insn_count.c -o insn_count.so
 *     qemu-aarch64 -plugin ./insn_count.so,out=counts.txt ...
 *
 * The guest calls syscall(MARKER, MAGIC, 1, label) to begin a region and syscall(MARKER, MAGIC, 0, label) to end it; the
 * kernel knows no such call and returns an error, which the guest ignores. Each region adds a line "label count" to the
 * file. Its count holds what follows the first marker's SVC, up to and with that of the second.
 *
 * QEMU translates a straight run of instructions at a time and says how many they are: the count grows when such a block
 * is entered. A system call ends a block, so the edges of a region are exact. What would not be is a block that a fault
 * leaves in the middle; the regions measured here have none. One counter for all threads: the guest keeps to one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MARKER 4000
#define MAGIC 0x76766d6b

/* The part of QEMU's public plugin interface that is used; Debian does not package its header. Version 1 is that of
 * QEMU 4.2 to 8.2; for a later one, build with -DPLUGIN_API= the version that QEMU asks for when it refuses this. */
#ifndef PLUGIN_API
#define PLUGIN_API 1
#endif
typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_info_t;
enum qemu_plugin_cb_flags { CB_NO_REGS };
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *),
                                                 enum qemu_plugin_cb_flags, void *);
extern void qemu_plugin_register_vcpu_syscall_cb(plugin_id,
                                                 void (*)(plugin_id, unsigned, int64_t, uint64_t, uint64_t, uint64_t,
                                                          uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
__attribute__((visibility("default"))) int qemu_plugin_version = PLUGIN_API;

static uint64_t executed, began;
static FILE *out;

static void on_block(unsigned cpu, void *instructions)
{
    (void)cpu;
    executed += (uintptr_t)instructions;
}

static void on_translation(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(block, on_block, CB_NO_REGS, (void *)(uintptr_t)qemu_plugin_tb_n_insns(block));
}

static void on_syscall(plugin_id id, unsigned cpu, int64_t number, uint64_t magic, uint64_t begin, uint64_t label,
                       uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    (void)id, (void)cpu, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number != MARKER || magic != MAGIC)
        return;
    if (begin) {
        began = executed;
        return;
    }
    fprintf(out, "%" PRIu64 " %" PRIu64 "\n", label, executed - began);
    fflush(out);
}

__attribute__((visibility("default"))) int qemu_plugin_install(plugin_id id, const struct qemu_info_t *info, int argc,
                                                               char **argv)
{
    (void)info;
    if (argc != 1 || strncmp(argv[0], "out=", 4) != 0 || !(out = fopen(argv[0] + 4, "w"))) {
        fprintf(stderr, "insn_count: expected out=FILE, a file that can be written\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
    return 0;
}
