/* Included before everything else of a file of C or assembler for a 64-bit processor of ARM's or Intel's (zigcc does so).
 *
 * On those ring has 176 kB of tables to be faster at P-256 and Ed25519; elsewhere it takes its own variant without them. A
 * router does such a computation once a handshake, and a tenth of the agent would be tables. What ring defines with the
 * tables alone leads to what it defines without, under the same names: the same arguments, the same result. */
#if defined(__ASSEMBLER__)
/* Nothing unwinds: what a debugger needs goes where linkers strip it. */
.cfi_sections .debug_frame
#elif defined(__has_include)
#if __has_include("ring_core_generated/prefix_symbols.h")
#include <stdint.h>

#include "ring_core_generated/prefix_symbols.h"

#define OPENSSL_SMALL

/* In every file of ring's, and once in the program. */
#define WELCOMED_ONCE __attribute__((weak))

void p256_point_mul_base(uint64_t point[3][4], const uint64_t scalar[4]);
WELCOMED_ONCE void p256_point_mul_base_vartime(uint64_t point[3][4], const uint64_t scalar[4]);
WELCOMED_ONCE void p256_point_mul_base_vartime(uint64_t point[3][4], const uint64_t scalar[4]) {
  p256_point_mul_base(point, scalar);
}

#if defined(__x86_64__)
void x25519_scalar_mult_generic_masked(uint8_t out[32], const uint8_t scalar[32], const uint8_t point[32]);
WELCOMED_ONCE void x25519_scalar_mult_adx(uint8_t out[32], const uint8_t scalar[32], const uint8_t point[32]);
WELCOMED_ONCE void x25519_scalar_mult_adx(uint8_t out[32], const uint8_t scalar[32], const uint8_t point[32]) {
  x25519_scalar_mult_generic_masked(out, scalar, point);
}
#endif

#endif
#endif
