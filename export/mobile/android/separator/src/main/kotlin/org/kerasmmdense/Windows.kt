package org.kerasmmdense

/**
 * Cuts a song into windows and joins what is kept of them, without seams.
 *
 * Window i keeps the samples [i * window, (i + 1) * window) of the song and sees [context] more on
 * either side, zeros outside the song. Audio is interleaved: left, right, left, right.
 */
class Windows(private val window: Int, private val context: Int, private val channels: Int) {
    /** Samples that the graph takes at a time. */
    val size = window + 2 * context

    /**
     * Separates a song.
     *
     * @param song samples * channels floats in [-1, 1].
     * @param run from a waveform of [size] * channels floats to stems by name, each of
     *     window * channels floats.
     * @return stems by name, each as long as the song.
     */
    fun separate(
        song: FloatArray,
        run: (FloatArray) -> Map<String, FloatArray>
    ): Map<String, FloatArray> {
        require(song.isNotEmpty() && song.size % channels == 0) {
            "expected samples of $channels channels, received ${song.size} floats"
        }
        // The graph would spread a number that is not finite over the whole window.
        val wrong = song.indexOfFirst { it.isNaN() || it.isInfinite() }
        require(wrong < 0) { "sample ${wrong / channels} is not a finite number" }
        val samples = song.size / channels
        val joined = HashMap<String, FloatArray>()
        for (start in 0 until samples step window) {
            val keep = minOf(window, samples - start)
            for ((name, stem) in run(cut(song, samples, start - context))) {
                val all = joined.getOrPut(name) { FloatArray(song.size) }
                System.arraycopy(stem, 0, all, start * channels, keep * channels)
            }
        }
        return joined
    }

    private fun cut(song: FloatArray, samples: Int, first: Int): FloatArray {
        val waveform = FloatArray(size * channels)
        val from = maxOf(first, 0)
        val to = minOf(first + size, samples)
        System.arraycopy(
            song, from * channels, waveform, (from - first) * channels, (to - from) * channels
        )
        return waveform
    }
}
