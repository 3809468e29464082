/* Flash of the simulated device in a file, with two slots for models, and what the link does with them. POSIX. */
#ifndef VIVAVOCE_SIMULATED_FLASH_H
#define VIVAVOCE_SIMULATED_FLASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLASH_SECTOR 4096U
#define FLASH_SLOT (FLASH_SECTOR + (512U * 1024U)) /* bytes: the log, and room for a model */

/* Opens the file, erased if it is new, and finds the model that runs. With cut_bytes, at least 0, the power is cut once
 * so many bytes were written: the program kills itself in the middle of a page. False if it cannot be used, which was
 * then told in one line. */
bool flash_open(const char *path, double cut_bytes);

/* Tells which model runs. */
void flash_report(void);

/* Says that it does, as a firmware says once a host has heard of it. */
void flash_confirm(void);

/* Hooks of vivavoce_device.h. What is whole is activated at once, and runs from the next start on. */
void flash_message(void *context, uint8_t kind, const uint8_t *payload, size_t size);
size_t flash_poll(void *context, uint8_t *kind, uint8_t *payload, size_t room);

#endif
