package org.kerasmmdense

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertThrows
import org.junit.Test

class WindowsTest {
    private val song = FloatArray(2 * 1234) { it * 0.0001f - 0.1f }

    @Test
    fun whatAGraphLeavesAsItIsComesBack() {
        for (window in listOf(100, 617, 1234, 5000)) {
            val stems = Windows(window, 40, 2).separate(song) { mapOf("all" to inner(it)) }
            assertArrayEquals(song, stems.getValue("all"), 0f)
        }
    }

    @Test
    fun aWindowSeesItsContextAndZerosOutside() {
        val windows = Windows(100, 40, 2)
        // Adds the sample 40 later to every sample, as a graph that looks ahead would.
        val stems = windows.separate(song) { x ->
            mapOf("sum" to FloatArray(2 * 100) { x[it + 80] + x[it + 160] })
        }
        val expected = FloatArray(song.size) {
            song[it] + if (it + 80 < song.size) song[it + 80] else 0f
        }
        assertArrayEquals(expected, stems.getValue("sum"), 0f)
    }

    @Test
    fun wrongSongsAreRefused() {
        val windows = Windows(100, 40, 2)
        for (wrong in listOf(FloatArray(0), FloatArray(3), floatArrayOf(0f, Float.NaN))) {
            assertThrows(IllegalArgumentException::class.java) {
                windows.separate(wrong) { mapOf("all" to inner(it)) }
            }
        }
    }

    /** A graph that leaves what it keeps as it is: without the context. */
    private fun inner(waveform: FloatArray) = waveform.copyOfRange(80, waveform.size - 80)
}
