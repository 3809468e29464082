/* Vector table of the emulated boards: the C library's start-up code does the rest. */
#include <stdint.h>

extern uint32_t vv_stack_top;
extern void _start(void);

static void fault(void)
{
    /* Semihosting: the run ends with an error instead of hanging. */
    __asm__ volatile("mov r0, #0x18\n\tldr r1, =0x20023\n\tbkpt 0xAB");
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))(uintptr_t)&vv_stack_top, _start, fault, fault, fault, fault, fault, 0, 0, 0, 0, fault, fault, 0, fault, fault,
};
