/* The passes over voxels that features are made of. Plain C99, no Python: module.c is the bridge.

   Arrays are in C order with axes (z, y, x), x running along memory. Grey levels are 0 outside of the region and 1, 2,
   ... inside, in an array with a margin of zeros so wide that no neighbour lies outside of it. */
#ifndef UPTAKE_KERNELS_H
#define UPTAKE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* A padded array: its sizes with the margin, the margin, and the slices [first, last) to work on, without it. */
typedef struct {
    ptrdiff_t nz, ny, nx, margin, first, last;
} Box;

/* Steps to neighbours, (dz, dy, dx) each. */
typedef struct {
    const int32_t *steps;
    ptrdiff_t count;
} Steps;

/* Zones found so far: grey level, voxels, least distance to the border, slice (0 in 3D). */
typedef struct {
    int32_t *rows; /* four per zone */
    ptrdiff_t count, room;
} Zones;

/* Table of n log2 n; filled once, before any kernel runs. */
void prepare_logarithms(void);

/* Every function below that returns int: 0, or -1 without memory. Tables are added to, never cleared. */

int glcm_u8(const uint8_t *levels, Box box, Steps steps, uint32_t *tables, ptrdiff_t side);
int glcm_u16(const uint16_t *levels, Box box, Steps steps, uint32_t *tables, ptrdiff_t side);

/* Sums over a symmetric co-occurrence table: 4 * side - 2 numbers, see module.c. */
void margins(const uint32_t *table, ptrdiff_t side, double *out);

int runs_u8(const uint8_t *levels, Box box, Steps steps, uint32_t *tables, ptrdiff_t side, ptrdiff_t lengths);
int runs_u16(const uint16_t *levels, Box box, Steps steps, uint32_t *tables, ptrdiff_t side, ptrdiff_t lengths);

int neighbours_u8(const uint8_t *levels, Box box, Steps steps, int alpha, uint32_t *dependence, uint32_t *counts,
                  uint64_t *differences);
int neighbours_u16(const uint16_t *levels, Box box, Steps steps, int alpha, uint32_t *dependence, uint32_t *counts,
                   uint64_t *differences);

int zones_u8(const uint8_t *levels, const uint16_t *distances, Box box, int flat, Zones *zones);
int zones_u16(const uint16_t *levels, const uint16_t *distances, Box box, int flat, Zones *zones);

/* City-block distance to the nearest zero, in the slice only if `flat`; zeros stay 0. */
void distances(const uint8_t *mask, Box box, int flat, uint16_t *out);

#endif
