/* See simulated_flash.h. */
#define _XOPEN_SOURCE 700
#include "simulated_flash.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "simulated_report.h"
#include "vivavoce_link.h"
#include "vivavoce_settings.h"
#include "vivavoce_slots.h"

#define FLASH_BYTES (2U * FLASH_SLOT)

static const uint8_t contract[] = VV_CONTRACT;
static vv_slots_t slots;
static int file = -1;
static double left = -1.0; /* bytes until the power is cut; below 0: never */

static bool read_flash(void *context, uint32_t address, uint8_t *out, uint32_t size)
{
    (void)context;
    return pread(file, out, size, (off_t)address) == (ssize_t)size;
}

/* Writes, until the power is cut. */
static bool write_flash(uint32_t address, const uint8_t *data, uint32_t size)
{
    uint32_t lasts = size;

    if ((left >= 0.0) && (left < (double)size)) {
        lasts = (uint32_t)left;
    }
    if (pwrite(file, data, lasts, (off_t)address) != (ssize_t)lasts) {
        return false;
    }
    if (lasts < size) {
        (void)raise(SIGKILL);
    }
    left -= (left >= 0.0) ? (double)size : 0.0;
    return true;
}

static bool erase(void *context, uint32_t address)
{
    uint8_t sector[FLASH_SECTOR];

    (void)context;
    (void)memset(sector, 0xFF, sizeof(sector));
    return write_flash(address, sector, FLASH_SECTOR);
}

/* Clears bits, and sets none. */
static bool program(void *context, uint32_t address, const uint8_t *data, uint32_t size)
{
    uint8_t page[VV_SLOTS_PAGE];

    if ((size > sizeof(page)) || !read_flash(context, address, page, size)) {
        return false;
    }
    for (uint32_t i = 0U; i < size; i++) {
        page[i] &= data[i];
    }
    return write_flash(address, page, size);
}

static const vv_flash_t flash = {
    read_flash, erase, program, NULL, NULL, contract, {0U, FLASH_SLOT}, FLASH_SLOT, FLASH_SECTOR,
};

/* Has the file erased if it is new. */
static bool prepared(const char *path)
{
    struct stat about;
    uint32_t at = 0U;

    if (fstat(file, &about) != 0) {
        return false;
    }
    if ((about.st_size != 0) && (about.st_size != (off_t)FLASH_BYTES)) {
        (void)fprintf(stderr, "simulated: %s: got %lld bytes, expected the %u of a simulated flash, or a new file\n",
                      path, (long long)about.st_size, FLASH_BYTES);
        errno = 0;
        return false;
    }
    while ((about.st_size == 0) && (at < FLASH_BYTES)) {
        if (!erase(NULL, at)) {
            return false;
        }
        at += FLASH_SECTOR;
    }
    return true;
}

bool flash_open(const char *path, double cut_bytes)
{
    bool good = false;

    errno = 0;
    file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if ((file >= 0) && (lockf(file, F_TLOCK, 0) != 0)) {
        (void)fprintf(stderr, "simulated: %s: another device runs with it, expected a flash of its own\n", path);
        return false;
    }
    good = (file >= 0) && prepared(path);
    left = cut_bytes;
    if (!good && (errno != 0)) {
        (void)fprintf(stderr, "simulated: %s: %s\n", path, strerror(errno));
    }
    return good && vv_slots_open(&slots, &flash);
}

void flash_report(void)
{
    uint32_t address = 0U;
    uint32_t size = 0U;

    if (vv_slots_running(&slots, &address, &size)) {
        report_model("runs", size, slots.running_sha256);
    } else {
        report_model("built in", 0U, NULL);
    }
}

void flash_confirm(void)
{
    if (slots.trial && !vv_slots_confirm(&slots)) {
        (void)fprintf(stderr, "simulated: the flash cannot be written\n");
    }
}

void flash_message(void *context, uint8_t kind, const uint8_t *payload, size_t size)
{
    (void)context;
    vv_slots_message(&slots, kind, payload, size);
}

size_t flash_poll(void *context, uint8_t *kind, uint8_t *payload, size_t room)
{
    size_t size = vv_slots_poll(&slots, kind, payload, room);

    (void)context;
    /* The host hears that it is whole before it is activated. */
    if ((size == 0U) && vv_slots_verified(&slots)) {
        if (vv_slots_activate(&slots)) {
            report_model("activated", slots.size, slots.sha256);
        }
        size = vv_slots_poll(&slots, kind, payload, room);
    }
    if ((size > 0U) && (*kind == (uint8_t)VV_KIND_BUNDLE_STATE)) {
        vv_bundle_state_t state;

        if (vv_bundle_state_decode(&state, payload, size)) {
            report_bundle_state(&state);
        }
    }
    return size;
}
