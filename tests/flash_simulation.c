/* Flash with the semantics of NOR, which loses its power after so many bytes; for tests. */
#include <stdlib.h>
#include <string.h>

#include "vivavoce_slots.h"

#define ERASE_STEPS 64 /* places at which the erasing of a sector can be cut */

typedef struct {
    uint8_t *memory;
    uint32_t size;
    uint32_t sector;
    int64_t left;        /* bytes (and steps of erasing) until the power is cut; below 0: never */
    uint32_t dead;
    uint32_t dice;
    uint32_t guarded;    /* slot that must not be touched but by records added to its log; 2: none */
    uint32_t slots[2];
    uint32_t slot_size;
    uint32_t violations; /* what no flash could do, and what must not be done */
    uint32_t erased;
    uint32_t programmed; /* bytes */
    uint32_t fail_from;  /* an operation from this one on fails, as on worn flash; 0: none */
    uint32_t operations;
    uint32_t trusted;    /* what verify says */
} sim_t;

static uint32_t draw(sim_t *sim)
{
    sim->dice = sim->dice * 1664525U + 1013904223U;
    return sim->dice >> 8;
}

static int in_guarded(const sim_t *sim, uint32_t address)
{
    return sim->guarded < 2U && address >= sim->slots[sim->guarded]
        && address < sim->slots[sim->guarded] + sim->slot_size;
}

static int outside(sim_t *sim, uint32_t address, uint32_t size)
{
    if (address > sim->size || size > sim->size - address) {
        sim->violations++;
        return 1;
    }
    return 0;
}

static bool sim_read(void *context, uint32_t address, uint8_t *out, uint32_t size)
{
    sim_t *sim = context;

    if (sim->dead || outside(sim, address, size)) {
        return false;
    }
    memcpy(out, &sim->memory[address], size);
    return true;
}

static bool failing(sim_t *sim)
{
    sim->operations++;
    return sim->fail_from != 0U && sim->operations >= sim->fail_from;
}

static bool sim_erase(void *context, uint32_t address)
{
    sim_t *sim = context;
    uint8_t *sector = &sim->memory[address];

    if (sim->dead || failing(sim) || outside(sim, address, sim->sector)) {
        return false;
    }
    sim->violations += (address % sim->sector != 0U) + (in_guarded(sim, address) != 0);
    sim->erased++;
    if (sim->left >= 0 && sim->left < ERASE_STEPS) {
        const uint32_t done = (uint32_t)sim->left * (sim->sector / ERASE_STEPS);
        const uint32_t mode = draw(sim) % 4U;

        memset(sector, 0xFF, done);
        for (uint32_t i = mode == 3U ? 0U : done; i < sim->sector; i++) {
            if (mode == 1U || mode == 3U) {
                sector[i] = (uint8_t)draw(sim);
            } else if (mode == 2U) {
                sector[i] |= (uint8_t)draw(sim);
            }
        }
        sim->dead = 1U;
        return false;
    }
    memset(sector, 0xFF, sim->sector);
    sim->left -= sim->left >= 0 ? ERASE_STEPS : 0;
    return true;
}

static bool sim_program(void *context, uint32_t address, const uint8_t *data, uint32_t size)
{
    sim_t *sim = context;
    uint8_t *at = &sim->memory[address];

    if (sim->dead || failing(sim) || outside(sim, address, size)) {
        return false;
    }
    sim->violations += size == 0U || size % VV_SLOTS_RECORD != 0U || address % VV_SLOTS_RECORD != 0U
                    || address / VV_SLOTS_PAGE != (address + size - 1U) / VV_SLOTS_PAGE;
    if (in_guarded(sim, address) && address >= sim->slots[sim->guarded] + sim->sector) {
        sim->violations++;
    }
    for (uint32_t i = 0U; i < size; i++) {
        sim->violations += at[i] != 0xFFU; /* programmed twice: ECC would not stand it */
    }
    sim->programmed += size;
    if (sim->left >= 0 && sim->left < (int64_t)size) {
        const uint32_t done = (uint32_t)sim->left;
        const uint32_t mode = draw(sim) % 3U;

        for (uint32_t i = 0U; i < size; i++) {
            if (i < done) {
                at[i] &= data[i];
            } else if (mode == 2U || (mode == 1U && i == done)) {
                at[i] &= (uint8_t)(data[i] | draw(sim));
            }
        }
        if (draw(sim) % 4U == 0U) { /* the page was not erased as well as one thinks */
            at[draw(sim) % size] &= (uint8_t)draw(sim);
        }
        sim->dead = 1U;
        return false;
    }
    for (uint32_t i = 0U; i < size; i++) {
        at[i] &= data[i];
    }
    sim->left -= sim->left >= 0 ? (int64_t)size : 0;
    return true;
}

static bool sim_verify(void *context, uint32_t address, uint32_t size, const uint8_t sha256[VV_SHA256_BYTES])
{
    (void)address;
    (void)size;
    (void)sha256;
    return ((sim_t *)context)->trusted != 0U;
}

size_t slots_size(void);
size_t slots_size(void)
{
    return sizeof(vv_slots_t) + sizeof(vv_flash_t);
}

/* Starts a device: memory holds vv_slots_t and vv_flash_t. */
bool slots_start(void *memory, sim_t *sim, const uint8_t *contract);
bool slots_start(void *memory, sim_t *sim, const uint8_t *contract)
{
    vv_flash_t *flash = (vv_flash_t *)(void *)((uint8_t *)memory + sizeof(vv_slots_t));

    *flash = (vv_flash_t){sim_read, sim_erase, sim_program, sim_verify, sim, contract,
                          {sim->slots[0], sim->slots[1]}, sim->slot_size, sim->sector};
    return vv_slots_open(memory, flash);
}
