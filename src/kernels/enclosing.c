/* The smallest ellipsoid and a smallest box around points in space. */
#include "kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double NEARLY = 1e-5; /* what is enough after all steps */
enum { D = 4, AFRESH = 16, SWEEPS = 30 }; /* points are (x, y, z, 1); steps after which sums are made anew; far too many */

static double dot(const double *a, const double *b)
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void cross(const double *a, const double *b, double *out)
{
    for (int i = 0; i < 3; i++)
        out[i] = a[(i + 1) % 3] * b[(i + 2) % 3] - a[(i + 2) % 3] * b[(i + 1) % 3];
}

/* Any direction across another one. */
static void across(const double *a, double *out)
{
    double axis[3] = {0, 0, 0};
    int least = fabs(a[0]) < fabs(a[1]) ? 0 : 1;
    axis[fabs(a[2]) < fabs(a[least]) ? 2 : least] = 1;
    cross(a, axis, out);
}

static void lift(const double *point, double *out)
{
    memcpy(out, point, 3 * sizeof *out);
    out[3] = 1;
}

/* Gauss and Jordan, with pivots; the matrix is positive definite. */
static void invert(double m[D][D], double out[D][D])
{
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++)
            out[i][j] = i == j;
    for (int c = 0; c < D; c++) {
        int best = c;
        for (int r = c + 1; r < D; r++)
            best = fabs(m[r][c]) > fabs(m[best][c]) ? r : best;
        for (int j = 0; j < D; j++) {
            double a = m[c][j], b = out[c][j];
            m[c][j] = m[best][j], out[c][j] = out[best][j];
            m[best][j] = a, out[best][j] = b;
        }
        double pivot = m[c][c];
        for (int j = 0; j < D; j++)
            m[c][j] /= pivot, out[c][j] /= pivot;
        for (int r = 0; r < D; r++) {
            double factor = r == c ? 0 : m[r][c];
            for (int j = 0; j < D; j++)
                m[r][j] -= factor * m[c][j], out[r][j] -= factor * out[c][j];
        }
    }
}

static double form(double m[D][D], const double *q, double *product)
{
    double sum = 0;
    for (int i = 0; i < D; i++) {
        product[i] = m[i][0] * q[0] + m[i][1] * q[1] + m[i][2] * q[2] + m[i][3] * q[3];
        sum += product[i] * q[i];
    }
    return sum;
}

/* Points that may still lie on the ellipsoid, their weights (which add up to 1) and square distances. */
typedef struct {
    double *points, *weights, *distances;
    ptrdiff_t count;
} Candidates;

/* The inverse of the weighted sum of products q q', and the square distance of every point in it; gives the largest. */
static double afresh(Candidates *all, double inverse[D][D])
{
    double sum[D][D] = {{0}}, q[D], product[D], most = 0;
    for (ptrdiff_t p = 0; p < all->count; p++) {
        lift(all->points + 3 * p, q);
        for (int i = 0; i < D && all->weights[p] > 0; i++)
            for (int j = 0; j < D; j++)
                sum[i][j] += all->weights[p] * q[i] * q[j];
    }
    invert(sum, inverse);
    for (ptrdiff_t p = 0; p < all->count; p++) {
        lift(all->points + 3 * p, q);
        all->distances[p] = form(inverse, q, product);
        most = all->distances[p] > most ? all->distances[p] : most;
    }
    return most;
}

/* Leave out points that the least ellipsoid cannot touch: no point nearer than this does (Harman and Pronzato 2007,
   https://doi.org/10.1016/j.spl.2006.05.014). */
static void leave_out(Candidates *all, double most)
{
    double excess = most - D, nearest = D * (1 + excess / 2 - sqrt(excess * (4 + excess - 4. / D)) / 2) - 1e-9;
    ptrdiff_t kept = 0;
    for (ptrdiff_t p = 0; p < all->count && excess > 0; p++) {
        if (all->distances[p] < nearest && all->weights[p] == 0)
            continue;
        memmove(all->points + 3 * kept, all->points + 3 * p, 3 * sizeof *all->points);
        all->weights[kept] = all->weights[p];
        all->distances[kept++] = all->distances[p];
    }
    all->count = excess > 0 ? kept : all->count;
}

/* Weights of the ends of the points along three directions, each across what the ones before have found. */
static void begin(Candidates *all)
{
    double direction[3] = {1, 0, 0}, found[3][3];
    const double *points = all->points;
    for (int axis = 0; axis < 3; axis++) {
        ptrdiff_t low = 0, high = 0;
        for (ptrdiff_t p = 1; p < all->count; p++) {
            double at = dot(points + 3 * p, direction);
            low = at < dot(points + 3 * low, direction) ? p : low;
            high = at > dot(points + 3 * high, direction) ? p : high;
        }
        all->weights[low] += 1. / 6;
        all->weights[high] += 1. / 6;
        for (int i = 0; i < 3; i++)
            found[axis][i] = points[3 * high + i] - points[3 * low + i];
        if (axis == 0)
            across(found[0], direction);
        else
            cross(found[0], found[1], direction);
    }
}

/* Shift weight to point p (or away from it, if `length` is below 0); sums and distances follow. */
static void shift(Candidates *all, double inverse[D][D], ptrdiff_t p, double length)
{
    double q[D], step[D], kept = 1 / (1 - length);
    lift(all->points + 3 * p, q);
    double share = length / (1 - length + length * form(inverse, q, step));
    for (ptrdiff_t k = 0; k < all->count; k++) {
        double along = dot(all->points + 3 * k, step) + step[3];
        all->distances[k] = (all->distances[k] - share * along * along) * kept;
        all->weights[k] *= 1 - length;
    }
    all->weights[p] += length;
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++)
            inverse[i][j] = (inverse[i][j] - share * step[i] * step[j]) * kept;
}

/* Khachiyan's steps with those away of Wolfe and Atwood, until the ellipsoid is as small as asked, or nearly so where
   steps come to nothing, as they do where more points lie on the least one than decide it; 1 if it is not even that. */
static int converge(Candidates *all, double inverse[D][D], double tolerance, ptrdiff_t most)
{
    double beyond = INFINITY;
    for (ptrdiff_t turn = 0; turn < most; turn++) {
        if (turn % AFRESH == 0)
            leave_out(all, afresh(all, inverse));
        const double *distances = all->distances, *weights = all->weights;
        ptrdiff_t far = 0, near = -1;
        for (ptrdiff_t p = 0; p < all->count; p++) {
            far = distances[p] > distances[far] ? p : far;
            if (weights[p] > 0 && (near < 0 || distances[p] < distances[near]))
                near = p;
        }
        beyond = distances[far] / D - 1;
        double within = 1 - distances[near] / D;
        if (beyond <= tolerance && within <= tolerance)
            return 0;
        /* Towards the farthest point, or away from the nearest one that has a weight: all of it at most. */
        ptrdiff_t p = beyond > within ? far : near;
        double length = (distances[p] - D) / (D * (distances[p] - 1)), all_of_it = -weights[p] / (1 - weights[p]);
        int lost = p == near && beyond <= within && (distances[p] <= 1 || length < all_of_it);
        shift(all, inverse, p, lost ? all_of_it : length);
        if (lost)
            all->weights[p] = 0;
    }
    return beyond > NEARLY;
}

void eigenvalues(double m[3][3], double out[3])
{
    for (int turn = 0; turn < 3 * SWEEPS; turn++) {
        int p = turn % 3, q = (p + 1) % 3, r = (p + 2) % 3;
        if (m[p][q] == 0)
            continue;
        double theta = (m[q][q] - m[p][p]) / (2 * m[p][q]), t = (theta < 0 ? -1 : 1) / (fabs(theta) + hypot(theta, 1));
        double c = 1 / hypot(t, 1), s = t * c, rp = m[r][p], rq = m[r][q];
        m[p][p] -= t * m[p][q];
        m[q][q] += t * m[p][q];
        m[p][q] = m[q][p] = 0;
        m[r][p] = m[p][r] = c * rp - s * rq;
        m[r][q] = m[q][r] = s * rp + c * rq;
    }
    for (int i = 0; i < 3; i++) {
        int place = 0;
        for (int j = 0; j < 3; j++)
            place += m[j][j] < m[i][i] || (m[j][j] == m[i][i] && j < i);
        out[place] = m[i][i];
    }
}

int ellipsoid(const double *points, ptrdiff_t n, double tolerance, ptrdiff_t most, double axes[3])
{
    double inverse[D][D], matrix[3][3], values[3], *room = calloc((size_t)(5 * n), sizeof *room);
    if (!room)
        return -1;
    Candidates all = {room, room + 3 * n, room + 4 * n, n};
    memcpy(all.points, points, (size_t)(3 * n) * sizeof *points);
    begin(&all);
    int failed = converge(&all, inverse, tolerance, most);
    /* The upper left of the inverse is that of the covariance; scaled so that no point is outside. */
    double most_distant = afresh(&all, inverse);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            matrix[i][j] = inverse[i][j] / (most_distant - 1);
    eigenvalues(matrix, values);
    for (int i = 0; i < 3; i++)
        axes[i] = 1 / sqrt(values[i]);
    free(room);
    return failed;
}

typedef struct {
    double u, v;
} Flat;

static double turn(Flat a, Flat b, Flat p)
{
    return (b.u - a.u) * (p.v - a.v) - (b.v - a.v) * (p.u - a.u);
}

/* Append what lies between the corners a and b, which it does not: of n points those to the right of the line from one
   to the other are brought to the front, and in turn those beyond the farthest of them (quickhull). */
static ptrdiff_t bulge(Flat a, Flat b, Flat *points, ptrdiff_t n, Flat *kept)
{
    ptrdiff_t outside = 0, count = 0;
    double most = 0;
    Flat farthest = a;
    for (ptrdiff_t p = 0; p < n; p++) {
        Flat here = points[p];
        double beyond = -turn(a, b, here);
        if (beyond <= 0)
            continue;
        if (beyond > most)
            most = beyond, farthest = here;
        points[p] = points[outside];
        points[outside++] = here;
    }
    if (!outside)
        return 0;
    count = bulge(a, farthest, points, outside, kept);
    kept[count++] = farthest;
    return count + bulge(farthest, b, points, outside, kept + count);
}

/* Corners of the convex hull of points in a plane, which it reorders, one after the other. */
static ptrdiff_t flat_hull(Flat *points, ptrdiff_t n, Flat *kept)
{
    Flat low = points[0], high = points[0];
    for (ptrdiff_t p = 1; p < n; p++) {
        low = points[p].u < low.u || (points[p].u == low.u && points[p].v < low.v) ? points[p] : low;
        high = points[p].u > high.u || (points[p].u == high.u && points[p].v > high.v) ? points[p] : high;
    }
    kept[0] = low;
    ptrdiff_t count = 1 + bulge(low, high, points, n, kept + 1);
    kept[count++] = high;
    return count + bulge(high, low, points, n, kept + count);
}

typedef struct {
    double axes[3][3], lengths[3], volume;
} Cuboid;

/* The smallest box with one axis along a direction: one of its sides lies along an edge of what the points look like
   from there. */
static Cuboid box_along(const double *direction, const double *points, ptrdiff_t n, Flat *flat)
{
    Cuboid best = {.volume = INFINITY};
    double n_[3], u[3], v[3], length = sqrt(dot(direction, direction)), low = INFINITY, high = -INFINITY;
    for (int i = 0; i < 3; i++)
        n_[i] = direction[i] / length;
    across(n_, u);
    length = sqrt(dot(u, u));
    for (int i = 0; i < 3; i++)
        u[i] /= length;
    cross(n_, u, v);
    for (ptrdiff_t p = 0; p < n; p++) {
        double at = dot(points + 3 * p, n_);
        low = at < low ? at : low;
        high = at > high ? at : high;
        flat[p] = (Flat){dot(points + 3 * p, u), dot(points + 3 * p, v)};
    }
    Flat *corners = flat + n;
    ptrdiff_t count = flat_hull(flat, n, corners);
    for (ptrdiff_t c = 0; c < count; c++) {
        Flat a = corners[c], b = corners[(c + 1) % count];
        double du = b.u - a.u, dv = b.v - a.v, size = sqrt(du * du + dv * dv);
        /* Of two points that are one but for rounding the edge may have any direction: both sides of it count. */
        double along[2] = {0, 0}, aside[2] = {0, 0};
        if (!(size > 0))
            continue;
        du /= size, dv /= size;
        for (ptrdiff_t k = 0; k < count; k++) {
            double x = (corners[k].u - a.u) * du + (corners[k].v - a.v) * dv;
            double y = (corners[k].v - a.v) * du - (corners[k].u - a.u) * dv;
            along[0] = x < along[0] ? x : along[0];
            along[1] = x > along[1] ? x : along[1];
            aside[0] = y < aside[0] ? y : aside[0];
            aside[1] = y > aside[1] ? y : aside[1];
        }
        double volume = (high - low) * (along[1] - along[0]) * (aside[1] - aside[0]);
        if (volume >= best.volume)
            continue;
        best = (Cuboid){.lengths = {high - low, along[1] - along[0], aside[1] - aside[0]}, .volume = volume};
        for (int i = 0; i < 3; i++) {
            best.axes[0][i] = n_[i];
            best.axes[1][i] = du * u[i] + dv * v[i];
            best.axes[2][i] = du * v[i] - dv * u[i];
        }
    }
    return best;
}

/* The direction of the face that is largest of those smaller than one before (or as large, and later); -1 for none. */
static ptrdiff_t next_largest(const double *normals, ptrdiff_t faces, ptrdiff_t before)
{
    double limit = before < 0 ? INFINITY : dot(normals + 3 * before, normals + 3 * before);
    ptrdiff_t best = -1;
    double most = -1;
    for (ptrdiff_t f = 0; f < faces; f++) {
        double size = dot(normals + 3 * f, normals + 3 * f);
        if (size > most && (size < limit || (size == limit && f > before)))
            most = size, best = f;
    }
    return best;
}

int cuboid(const double *points, ptrdiff_t n, const double *normals, ptrdiff_t faces, ptrdiff_t starts, double *lengths)
{
    static const double frame[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    Flat *flat = malloc((size_t)(2 * n + 2) * sizeof *flat);
    if (!flat)
        return -1;
    Cuboid best = {.volume = INFINITY};
    ptrdiff_t face = -1;
    for (ptrdiff_t s = 0; s < 3 + starts; s++) {
        face = s < 3 ? -1 : next_largest(normals, faces, face);
        if (s >= 3 && face < 0)
            break;
        Cuboid other = box_along(s < 3 ? frame[s] : normals + 3 * face, points, n, flat);
        best = other.volume < best.volume ? other : best;
    }
    /* Turned about each of its axes in turn, as long as that makes it smaller. */
    for (int kept = 0, axis = 1; kept < 3; axis = (axis + 1) % 3) {
        Cuboid other = box_along(best.axes[axis], points, n, flat);
        kept = other.volume < best.volume * (1 - 1e-9) ? 0 : kept + 1;
        best = kept ? best : other;
    }
    memcpy(lengths, best.lengths, sizeof best.lengths);
    free(flat);
    return 0;
}
