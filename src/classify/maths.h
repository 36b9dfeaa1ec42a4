/*
 * maths: logarithm and exponential of IEEE binary64 with + - * / and comparisons alone, in a
 * fixed order, so that they are the same everywhere (libm's differ between systems).
 */
#ifndef AZ_MATHS_H
#define AZ_MATHS_H

/* The natural logarithm of x, finite and above 0; error below 1e-15 times max(1, |result|). */
double az_ln(double x);
/* e to the x; 0 below -700, e^700 above 700; relative error below 1e-14. */
double az_exp(double x);

#endif
